"""Cost of the wire codec in us per message, beside kio: `python -m benchmarks.micro.codec`.

A round times every case once with ringlog and once with kio (a compiled extension), so that both
meet the same machine; the table has medians of rounds. Requests are decoded and responses encoded,
as a gateway does; the garbage collector stays on. "First use" is what compiling a version adds.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from benchmarks.micro.codec_messages import CASES, HEADER, Case
from benchmarks.report.markdown import number, table
from gateway_svc.wire.codec import encode
from gateway_svc.wire.decoder import decoder_of
from gateway_svc.wire.encoder import encoder_of
from gateway_svc.wire.envelope import read_header, read_request, write_response


class Timed(NamedTuple):
    """Two functions that do the same."""

    name: str
    ours: Callable[[], object]
    kios: Callable[[], object]
    first_use_us: float


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro.codec", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="%(default)s")
    parser.add_argument("--seconds", type=float, default=0.05, help="per measurement: %(default)s")
    return parser.parse_args()


def _timed(case: Case) -> Timed:
    """Requests are decoded with their header, responses encoded with header and length."""
    api, version, message = case.api, case.version, case.message
    flexible = api.is_flexible(version)
    is_request = isinstance(message, api.request)
    body = b"".join(encode(message, version, flexible))
    compiler = decoder_of if is_request else encoder_of
    started = time.perf_counter()
    compiler(type(message), version, flexible=flexible)
    first_use_us = (time.perf_counter() - started) * 1e6
    if is_request:
        frame = HEADER.pack(api.key, version, 7, 2) + b"me" + (b"\0" if flexible else b"") + body
        return Timed(
            case.name,
            lambda: read_request(api, read_header(frame), frame),
            _kio_reads(load_request_schema(api.key, version), frame),
            first_use_us,
        )
    read, _ = entity_reader(load_response_schema(api.key, version))(body, 0)
    return Timed(
        case.name,
        lambda: write_response(api, version, 7, message),
        _kio_writes(read),
        first_use_us,
    )


def _kio_reads(request_class: Any, frame: bytes) -> Callable[[], object]:
    read_header_of = entity_reader(request_class.__header_schema__)
    read_body = entity_reader(request_class)

    def read() -> object:
        _, offset = read_header_of(frame, 0)
        return read_body(frame, offset)

    return read


def _kio_writes(response: Any) -> Callable[[], object]:
    header = response.__header_schema__(correlation_id=7)
    write_header = entity_writer(type(header))
    write_body = entity_writer(type(response))

    def write() -> object:
        buffer = io.BytesIO()
        write_header(buffer, header)
        write_body(buffer, response)
        return buffer.getvalue()

    return write


def _microseconds(function: Callable[[], object], seconds: float) -> float:
    """Per call, over about `seconds`."""
    clock = time.perf_counter
    calls, started = 0, clock()
    end = started + seconds
    while clock() < end:
        for _ in range(10):
            function()
        calls += 10
    return (clock() - started) / calls * 1e6


def _row(timed: Timed, ours: list[float], kios: list[float]) -> list[str]:
    median, kio_median = statistics.median(ours), statistics.median(kios)
    return [
        timed.name,
        number(median),
        number(kio_median),
        number(kio_median / median),
        number(timed.first_use_us),
    ]


def main() -> None:
    arguments = _arguments()
    timed = [_timed(case) for case in CASES]
    ours: dict[str, list[float]] = {case.name: [] for case in timed}
    kios: dict[str, list[float]] = {case.name: [] for case in timed}
    for _ in range(arguments.rounds):
        for case in timed:
            ours[case.name].append(_microseconds(case.ours, arguments.seconds))
            kios[case.name].append(_microseconds(case.kios, arguments.seconds))
    rows = [_row(case, ours[case.name], kios[case.name]) for case in timed]
    print(table(["message", "us", "kio us", "kio / ringlog", "first use us"], rows))


if __name__ == "__main__":
    main()

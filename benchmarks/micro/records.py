"""Cost of decoding records, beside aiokafka's compiled code: `python -m benchmarks.micro.records`.

The path of a v2 batch opens no record: it only checks, places and stamps. The other rows are paid
by clients of Kafka 0.8 to 0.10, by searches for a time and by compacted topics. Each round runs
ours and theirs one after the other; the table has the medians of the rounds.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from aiokafka.record import (  # type: ignore[import-untyped]
    default_records,
    legacy_records,
    memory_records,
)

from benchmarks.report.markdown import MISSING, number, table
from common.records import batch as batches
from common.records.compression import Codec
from common.records.examine import Constraints, examine
from common.records.message_set import down_convert, up_convert
from common.records.records import Record, read_records, write_batch
from common.records.search import first_at_or_after

ROUNDS = 9
_SECONDS_PER_ROUND = 0.05
_NOW = 1_700_000_000_000
_COUNT = 1000
_BATCH_BYTES_MAX = 1 << 30
_LEGACY_MAGICS = (0, 1)


class Case(NamedTuple):
    """One thing to do with a batch of `records` records, ours and what aiokafka does for it."""

    name: str
    records: int
    size: int  # bytes
    ours: Callable[[], object]
    theirs: Callable[[], object] | None = None


def _records(count: int, value_bytes: int) -> list[Record]:
    value = b"v" * value_bytes
    return [Record(i, _NOW + i, b"key-%05d" % i, value) for i in range(count)]


def _their_batch(records: list[Record], codec: Codec) -> bytes:
    builder = default_records.DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, _BATCH_BYTES_MAX)
    for record in records:
        builder.append(record.offset, record.timestamp, record.key, record.value, [])
    return bytes(builder.build())


def _their_set(records: list[Record], magic: int, codec: Codec) -> bytes:
    builder = legacy_records.LegacyRecordBatchBuilder(magic, codec, _BATCH_BYTES_MAX)
    for record in records:
        builder.append(record.offset, record.timestamp, record.key, record.value)
    return bytes(builder.build())


def _their_reading(data: bytes) -> list[Any]:
    """Every record with its key and value, CRCs checked as ours does for message sets."""
    batches_of = memory_records.MemoryRecords(data)
    read: list[Any] = []
    while (batch := batches_of.next_batch()) is not None:
        batch.validate_crc()
        read += [(record.key, record.value) for record in batch]
    return read


def _header_cases() -> list[Case]:
    cases = []
    for count in (1, 100, _COUNT):
        batch = write_batch(_records(count, 100))
        for name, work in (
            ("check a batch", partial(batches.check, batch)),
            ("place it", partial(batches.assign_offset, batch, 9, 1)),
            ("stamp it", partial(batches.stamp_log_append_time, batch, _NOW)),
        ):
            cases.append(Case(name, count, len(batch), work))
    return cases


def _record_cases(value_bytes: int, codec: Codec) -> list[Case]:
    records = _records(_COUNT, value_bytes)
    batch = write_batch(records, codec=codec)
    size = len(write_batch(records))
    of = f"{value_bytes} B, {codec.name.lower()}"
    return [
        Case(
            f"read {of}",
            _COUNT,
            size,
            lambda: list(read_records(batch)),
            lambda: [
                (record.key, record.value) for record in default_records.DefaultRecordBatch(batch)
            ],
        ),
        Case(
            f"write {of}",
            _COUNT,
            size,
            lambda: write_batch(records, codec=codec),
            lambda: _their_batch(records, codec),
        ),
    ]


def _search_cases() -> list[Case]:
    batch = write_batch(_records(_COUNT, 100))
    last = _NOW + _COUNT - 1
    header, data = batches.parse_header(batch), batch[batches.HEADER_BYTES :]
    return [
        Case("find a time", _COUNT, len(batch), lambda: first_at_or_after(batch, last)),
        Case(
            "examine", _COUNT, len(batch), lambda: examine(data, header, Constraints(has_keys=True))
        ),
    ]


def _conversion_cases(magic: int, codec: Codec) -> list[Case]:
    """Theirs reads one format and builds the other, which is what a conversion does."""
    records = _records(_COUNT, 100)
    message_set = _their_set(records, magic, codec)
    batch = write_batch(records, codec=codec)
    size = len(write_batch(records))
    of = f"magic {magic}, {codec.name.lower()}"

    def their_up() -> None:
        read = _their_reading(message_set)
        _their_batch([Record(i, _NOW, key, value) for i, (key, value) in enumerate(read)], codec)

    def their_down() -> None:
        read = _their_reading(batch)
        _their_set([Record(i, _NOW, k, v) for i, (k, v) in enumerate(read)], magic, codec)

    return [
        Case(f"up-convert {of}", _COUNT, size, lambda: up_convert(message_set), their_up),
        Case(
            f"down-convert {of}",
            _COUNT,
            size,
            lambda: down_convert([batch], magic, fetch_offset=0),
            their_down,
        ),
    ]


def _cases() -> list[Case]:
    cases = _header_cases() + _search_cases()
    for value_bytes, codec in ((100, Codec.NONE), (1000, Codec.NONE), (100, Codec.GZIP)):
        cases += _record_cases(value_bytes, codec)
    cases += _record_cases(100, Codec.LZ4)
    for magic in _LEGACY_MAGICS:
        for codec in (Codec.NONE, Codec.GZIP):
            cases += _conversion_cases(magic, codec)
    return cases


def _seconds(work: Callable[[], object]) -> float:
    """Mean seconds of one call, over about a twentieth of a second."""
    calls, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < _SECONDS_PER_ROUND:
        work()
        calls += 1
    return spent / calls


def _row(case: Case) -> list[str]:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_seconds(case.ours))
        if case.theirs:
            theirs.append(_seconds(case.theirs))
    spent = statistics.median(ours)
    ratio = statistics.median(theirs) / spent if theirs else None
    return [
        case.name,
        number(case.records),
        number(spent * 1e6),
        number(case.records / spent),
        number(case.size / spent / 1e6),
        number(case.records / statistics.median(theirs)) if theirs else MISSING,
        number(ratio),
    ]


def main() -> None:
    header = ["", "records", "us", "records/s", "MB/s", "aiokafka records/s", "ours / theirs"]
    print(table(header, [_row(case) for case in _cases()]))


if __name__ == "__main__":
    main()

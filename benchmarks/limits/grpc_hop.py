"""A bare gRPC hop between two processes.

`python -m benchmarks.limits.grpc_hop SECONDS` prints JSON.

Bytes without protobuf, tuned as the services are. `hop` is the client, with the server as a child
process; both are apart from the benchmark's own process and loop.
"""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import uvloop

from benchmarks.report import results
from common.runtime.runtime_tuning import keep_freed_memory

STREAM_ONE = "gRPC stream, 1 KiB messages, 32 in flight"
STREAM_COALESCED = "gRPC stream, 1 KiB items, 16 in a message"
STREAM_LARGE = "gRPC stream, 1 MiB messages"
UNARY_SMALL = "gRPC unary call, 200 bytes, sequential"
UNARY_FETCH = "gRPC unary call, 1 MiB answer"

_SERVICE = "benchmarks.Raw"
_MIB = 1 << 20
_ACKNOWLEDGEMENT = b"a" * 30
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


async def _stream(requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
    async for _request in requests:
        yield _ACKNOWLEDGEMENT


async def _unary(request: bytes, _: Any) -> bytes:
    """Answers as many bytes as the request's first four say."""
    return bytes(int.from_bytes(request[:4], "big"))


async def serve() -> None:
    server = grpc.aio.server(options=_OPTIONS)
    handlers: dict[str, Any] = {
        "Stream": grpc.stream_stream_rpc_method_handler(_stream),
        "Unary": grpc.unary_unary_rpc_method_handler(_unary),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


async def measure(port: int, seconds: float) -> dict[str, dict[str, float]]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS) as channel:
        return {
            STREAM_ONE: await _streamed(channel, 1 << 10, 1, window=32, seconds=seconds),
            STREAM_COALESCED: await _streamed(channel, 16 << 10, 16, window=2, seconds=seconds),
            STREAM_LARGE: await _streamed(channel, _MIB, 1, window=4, seconds=seconds),
            UNARY_SMALL: await _called(channel, 60, seconds=seconds),
            UNARY_FETCH: await _called(channel, _MIB, seconds=seconds),
        }


async def _streamed(
    channel: grpc.aio.Channel, size: int, items: int, *, window: int, seconds: float
) -> dict[str, float]:
    """Messages of `size` bytes, counted as `items` each, `window` of them unanswered."""
    message = bytes(size)
    call: Any = channel.stream_stream(f"/{_SERVICE}/Stream")()
    for _ in range(window):
        await call.write(message)

    async def exchange() -> None:
        await call.read()
        await call.write(message)

    messages = await _rate(exchange, seconds)
    call.cancel()
    return {results.REQUESTS: messages * items, results.MEGABYTES: messages * size / 1e6}


async def _called(channel: grpc.aio.Channel, size: int, *, seconds: float) -> dict[str, float]:
    method: Any = channel.unary_unary(f"/{_SERVICE}/Unary")
    request = size.to_bytes(4, "big") + bytes(196)

    async def call() -> None:
        await method(request)

    calls = await _rate(call, seconds)
    return {results.REQUESTS: calls, results.MEGABYTES: calls * size / 1e6}


async def _rate(act: Callable[[], Any], seconds: float) -> float:
    """Completions of `act` per second, after a tenth of the time as warm-up."""
    started = time.perf_counter()
    while time.perf_counter() - started < seconds / 10:
        await act()
    started, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        await act()
        count += 1
    return count / elapsed


def hop(seconds: float) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "benchmarks.limits.grpc_hop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            return uvloop.run(measure(port, seconds))
        finally:
            server.kill()


def main() -> None:
    keep_freed_memory()
    if len(sys.argv) > 1:
        print(json.dumps(hop(float(sys.argv[1]))))
    else:
        uvloop.run(serve())


if __name__ == "__main__":
    main()

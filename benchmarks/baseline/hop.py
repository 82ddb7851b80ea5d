"""gRPC hop of the baseline: ringlog's own messages, appends batched on one stream.

`OwnerServicer` is the owner's end, `RemoteLogs` the gateway's. Whatever waits leaves in the next
message, in both directions. A fetch is a call of its own, through protobuf.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import grpc.aio

from benchmarks.baseline.gateway import BaselineLogs
from benchmarks.baseline.store import Log
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1 import partition_pb2_grpc as rpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_MESSAGE_BYTES_MAX = 1 << 20


class RemoteLogs:
    """The logs of an owner at host:port."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.get_running_loop()
        channels = [
            grpc.aio.insecure_channel(
                address, options=[*OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
            )
            for _ in range(2)
        ]
        self._fetch = rpc.PartitionServiceStub(channels[0]).Fetch
        self._stream = rpc.PartitionServiceStub(channels[1]).AppendStream()
        self._waiting: list[pb.Append] = []
        self._pending: dict[int, asyncio.Future[int]] = {}
        self._next_id = 0
        self._wake = asyncio.Event()
        self._tasks = [self._loop.create_task(self._send()), self._loop.create_task(self._read())]

    def append(self, log: Log, batch: bytes | memoryview, *, must_sync: bool) -> Any:
        append_id = self._next_id = self._next_id + 1
        acks = pb.ACKS_ALL if must_sync else pb.ACKS_LEADER
        topic, partition = log
        self._waiting.append(
            pb.Append(
                append_id=append_id,
                topic_id=topic,
                partition=partition,
                acks=acks,
                batch=bytes(batch),
            )
        )
        stored = self._pending[append_id] = self._loop.create_future()
        self._wake.set()
        return stored

    async def fetch(
        self, topic: bytes, positions: Sequence[tuple[int, int, int]], max_wait_ms: int
    ) -> list[tuple[int, Sequence[bytes | memoryview]]]:
        request = pb.FetchRequest(max_wait_ms=max_wait_ms)
        for partition, offset, bytes_max in positions:
            request.partitions.add(
                topic_id=topic, partition=partition, fetch_offset=offset, max_bytes=bytes_max
            )
        response = await self._fetch(request)
        return [(result.high_watermark, [result.batches]) for result in response.results]

    async def _send(self) -> None:
        while True:
            while self._waiting:
                message, size = pb.AppendRequest(), 0
                while self._waiting and size < _MESSAGE_BYTES_MAX:
                    append = self._waiting.pop(0)
                    size += len(append.batch)
                    message.appends.append(append)
                await self._stream.write(message)
            self._wake.clear()
            await self._wake.wait()

    async def _read(self) -> None:
        async for response in self._stream:
            for result in response.results:
                self._pending.pop(result.append_id).set_result(result.stored.base_offset)


class OwnerServicer(rpc.PartitionServiceServicer):
    def __init__(self, logs: BaselineLogs) -> None:
        self._logs = logs

    async def AppendStream(  # noqa: N802 - gRPC's name
        self, requests: AsyncIterator[pb.AppendRequest], _: Any
    ) -> AsyncIterator[pb.AppendResponse]:
        results: list[pb.AppendResult] = []
        changed = asyncio.Event()

        async def read() -> None:
            async for request in requests:
                for append in request.appends:
                    log = append.topic_id, append.partition
                    must_sync = append.acks == pb.ACKS_ALL
                    stored = self._logs.append(log, append.batch, must_sync=must_sync)
                    stored.add_done_callback(partial(on_stored, append.append_id))

        def on_stored(append_id: int, done: "asyncio.Future[int]") -> None:
            result = pb.Stored(base_offset=done.result())
            results.append(pb.AppendResult(append_id=append_id, stored=result))
            changed.set()

        reading = asyncio.create_task(read())
        while not reading.done():
            if not results:
                changed.clear()
                await changed.wait()
            response = pb.AppendResponse(results=results)
            results.clear()
            yield response

    async def Fetch(  # noqa: N802 - gRPC's name
        self, request: pb.FetchRequest, _: Any
    ) -> pb.FetchResponse:
        positions = [
            (partition.partition, partition.fetch_offset, partition.max_bytes)
            for partition in request.partitions
        ]
        topic = request.partitions[0].topic_id
        results = await self._logs.fetch(topic, positions, request.max_wait_ms)
        return pb.FetchResponse(
            results=[
                pb.FetchResult(high_watermark=high_watermark, batches=b"".join(batches))
                for high_watermark, batches in results
            ]
        )

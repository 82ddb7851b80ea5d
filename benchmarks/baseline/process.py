"""Baseline broker: ringlog's design without its features.

`python -m benchmarks.baseline.process in-process DIRECTORY`.

What ringlog has on top of sockets, RocksDB and gRPC costs something; how much shows beside this. It
keeps no promise but the order of responses and acks=all, and knows what the load client sends.

    in-process DIRECTORY    everything in one process
    owner DIRECTORY         the logs, behind gRPC; prints "gRPC on host:port"
    gateway HOST:PORT       the Kafka side, in front of such an owner
Prints "Kafka on host:port" where clients may come. Ends on SIGTERM.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc.aio
import uvloop

from benchmarks.baseline.gateway import BaselineLogs, Connection
from benchmarks.baseline.hop import OPTIONS, OwnerServicer, RemoteLogs
from benchmarks.baseline.store import BaselineStore, Log
from common.runtime.runtime_tuning import collect_garbage_less_often, keep_freed_memory
from protos.partition.v1.partition_pb2_grpc import add_PartitionServiceServicer_to_server


class LocalLogs:
    """`PrototypeLogs` of a store in this process."""

    def __init__(self, store: BaselineStore) -> None:
        self._store = store

    def append(
        self, log: Log, batch: bytes | memoryview, *, must_sync: bool
    ) -> "asyncio.Future[int]":
        return self._store.append(log, batch, must_sync=must_sync)

    async def fetch(
        self, topic: bytes, positions: Sequence[tuple[int, int, int]], max_wait_ms: int
    ) -> list[tuple[int, Sequence[bytes | memoryview]]]:
        found = self._read(topic, positions)
        if not any(batches for _, batches in found):
            await self._store.grown(max_wait_ms)
            found = self._read(topic, positions)
        return found

    def _read(
        self, topic: bytes, positions: Sequence[tuple[int, int, int]]
    ) -> list[tuple[int, Sequence[bytes | memoryview]]]:
        store = self._store
        return [
            (
                store.high_watermarks.get((topic, partition), 0),
                store.read((topic, partition), offset, bytes_max),
            )
            for partition, offset, bytes_max in positions
        ]


async def _serve_kafka(logs: BaselineLogs) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(logs), "127.0.0.1", 0)
    print(f"Kafka on 127.0.0.1:{server.sockets[0].getsockname()[1]} (baseline)", flush=True)
    await server.serve_forever()


async def _in_process(directory: str) -> None:
    await _serve_kafka(LocalLogs(BaselineStore(Path(directory))))


async def _owner(directory: str) -> None:
    server = grpc.aio.server(options=OPTIONS)
    logs = LocalLogs(BaselineStore(Path(directory)))
    add_PartitionServiceServicer_to_server(OwnerServicer(logs), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"gRPC on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


async def _gateway(address: str) -> None:
    await _serve_kafka(RemoteLogs(address))


def main(kind: str, where: str) -> None:
    keep_freed_memory()
    collect_garbage_less_often()
    uvloop.run({"in-process": _in_process, "owner": _owner, "gateway": _gateway}[kind](where))


if __name__ == "__main__":
    main(*sys.argv[1:])

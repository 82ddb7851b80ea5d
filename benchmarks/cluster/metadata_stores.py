"""Latency of a metadata change on RocksDB and on an etcd on the same disk.

`python -m benchmarks.cluster.metadata_stores [ROUNDS]`. Needs the program etcd. Both write the
same batches in turn, synced to disk, by one caller; the raw limit beside them is one append and
fsync of the same bytes. etcd is one member, over loopback: more members add a network's round trip.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from common.etcd.client import EtcdClient
from common.kv.etcd import EtcdKvStore
from common.kv.rocks import RocksKvStore
from common.kv.store import KvStore, WriteBatch
from tests.support.processes.etcd import EtcdServer, wait_until_elected

_ROUNDS = 30
_ROW = bytes(200)
#: Rows in one change: a topic, a move, the topics of a big request.
_CASES: Mapping[str, int] = {"1 topic": 1, "10 topics": 10, "500 topics": 500}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS
    with (
        tempfile.TemporaryDirectory(dir=".") as name,
        EtcdServer(Path(name)) as server,
        EtcdClient([server.address]) as client,
    ):
        server.wait_until_ready(client)
        leadership = wait_until_elected(client, b"/")
        on_etcd = EtcdKvStore(client, prefix=b"/")
        on_etcd.lead(leadership)
        _report(_measured(Path(name), on_etcd, rounds))
        leadership.resign()


def _measured(folder: Path, on_etcd: KvStore, rounds: int) -> Mapping[str, dict[str, float]]:
    """Medians in milliseconds, by case and then by store."""
    rocks = RocksKvStore(folder / "rocks")
    file = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    found: dict[str, dict[str, float]] = {}
    for case, rows in _CASES.items():
        batch = _batch(rows)
        ways: dict[str, Callable[[], None]] = {
            "fsync": lambda rows=rows: _append(file, rows * _ROW),  # type: ignore[misc]
            "RocksDB": lambda batch=batch: rocks.write(batch, sync=True),  # type: ignore[misc]
            "etcd": lambda batch=batch: on_etcd.write(batch, sync=True),  # type: ignore[misc]
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, write in ways.items():
                times[way].append(_seconds(write))
        found[case] = {way: 1_000 * statistics.median(each) for way, each in times.items()}
    os.close(file)
    rocks.close()
    return found


def _batch(rows: int) -> WriteBatch:
    batch = WriteBatch()
    batch.put(b"r", bytes(8))
    for number in range(rows):
        batch.put(b"t%04d" % number, _ROW)
    return batch


def _append(file: int, data: bytes) -> None:
    os.write(file, data)
    os.fsync(file)


def _seconds(write: Callable[[], None]) -> float:
    begun = time.perf_counter()
    write()
    return time.perf_counter() - begun


def _report(found: Mapping[str, dict[str, float]]) -> None:
    print("| change | fsync | RocksDB | etcd | etcd / RocksDB |\n|---|---|---|---|---|")
    for case, ms in found.items():
        cells = [f"{ms[way]:.1f} ms" for way in ("fsync", "RocksDB", "etcd")]
        print(f"| {case} | {' | '.join(cells)} | {ms['etcd'] / ms['RocksDB']:.1f} |")


if __name__ == "__main__":
    main()

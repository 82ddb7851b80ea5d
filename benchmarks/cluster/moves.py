"""Cost of a move for producers: `python -m benchmarks.cluster.moves --gigabytes 1 --rounds 5`.

Three partition services, a topic with a partition on each; partition 0 holds the bytes. While one
client writes to each partition, batch after batch, the member that has partition 0 is drained. The
longest time between two responses, and the bytes written, are measured during the move and as long
after it: the machine has pauses of its own. The report also contains the time in the logs of the
services, from the fence at the old owner to the commit at the new one. Afterwards the member is
added again, without load.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.load import requests
from benchmarks.load.responses import produce_response
from benchmarks.report import machine, markdown
from benchmarks.report.markdown import number
from tests.support.clients.raw_client import RawClient
from tests.support.moves.ring_admin import is_settled
from tests.support.processes.cluster import Cluster
from tests.support.waiting import eventually
from tests.support.wire.kafka_socket import KafkaSocket

_TOPIC: Final = "moved"
_PARTITIONS: Final = 3
_FILL_BATCH_BYTES: Final = 1_000_000
_FILL_IN_FLIGHT: Final = 8
_MOVED_WITHIN_S: Final = 600.0
#: Errors of a moved or unavailable owner: the batch is counted and sent again.
_REFUSED: Final = frozenset({5, 6, 7, 13, 74, 75})


@dataclass(slots=True)
class WriterResponses:
    """Acknowledgement times of a producer's batches, and the errors in between."""

    batch_bytes: int
    at: list[float] = field(default_factory=list)
    refused: int = 0

    def between(self, start: float, end: float) -> list[float]:
        return [time_s for time_s in self.at if start <= time_s <= end]

    def longest_gap_ms(self, start: float, end: float) -> float:
        """Returns the longest time between responses, of which one at least came in this time."""
        inside = [start, *self.between(start, end), end]
        return max(after - before for before, after in pairwise(inside)) * 1e3

    def mb_per_second(self, start: float, end: float) -> float:
        return len(self.between(start, end)) * self.batch_bytes / (end - start) / 1e6


@dataclass(frozen=True, slots=True)
class Move:
    """One drain: its duration, refusals, and the throughput of writers relative to that without it.

    Partition 0 moves; `target` is the partition whose owner it moves to, `other` the third.
    """

    seconds: float
    mb_per_second: float
    gap_ms: float
    gap_without_ms: float
    fenced_ms: float
    refused: int
    moved: float
    target: float
    other: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster.moves", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-bytes", type=int, default=10_000, help="of the writers")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    settings = dict(text.replace(".", "_").split("=", 1) for text in options.set)
    with tempfile.TemporaryDirectory(dir=options.data_dir, prefix="ringlog-bench-") as name:
        with Cluster(Path(name), partitions=_PARTITIONS, **settings) as cluster:
            moves = list(_measure(cluster, options))
        about = machine.describe(Path(name))
    print("".join(f"- {what}: {words}\n" for what, words in about.items()))
    print(_table(moves, options.gigabytes))


def _measure(cluster: Cluster, options: argparse.Namespace) -> Iterator[Move]:
    with RawClient(cluster.bootstrap) as raw:
        raw.create_topic(name=_TOPIC, partitions=_PARTITIONS)
    _fill(cluster.bootstrap, int(options.gigabytes * 1e9))
    for _ in range(options.rounds):
        yield _measure_move(cluster, options.batch_bytes)
        for member in cluster.members:
            cluster.ring.add(member)
        cluster.ring.wait_until(is_settled, what="every member back", within_s=_MOVED_WITHIN_S)


def _measure_move(cluster: Cluster, batch_bytes: int) -> Move:
    owners = [partition.owner for partition in cluster.ring.topic(_TOPIC).partitions]
    # Members report their sizes periodically.
    size_bytes = eventually(lambda: _size(cluster, owners[0]), what="a report of its size")
    with _writers(cluster.bootstrap, batch_bytes) as writers:
        eventually(lambda: all(len(writer.at) > 50 for writer in writers), what="active writers")
        start = time.perf_counter()
        cluster.ring.drain(owners[0])
        cluster.ring.wait_until(is_settled, what="the move", within_s=_MOVED_WITHIN_S)
        end = time.perf_counter()
        # As long again without a move; the cluster is the same, and warm.
        eventually(lambda: time.perf_counter() > 2 * end - start, within_s=_MOVED_WITHIN_S)
        after = time.perf_counter()
    target = owners.index(cluster.ring.topic(_TOPIC).partitions[0].owner)
    (other,) = {1, 2} - {target}
    moved = writers[0]

    def ratio(writer: WriterResponses) -> float:
        return writer.mb_per_second(start, end) / writer.mb_per_second(end, after)

    return Move(
        seconds=end - start,
        mb_per_second=size_bytes / (end - start) / 1e6,
        gap_ms=moved.longest_gap_ms(start, end),
        gap_without_ms=moved.longest_gap_ms(end, after),
        fenced_ms=_fenced_ms(cluster, owners[0], owners[target]),
        refused=sum(writer.refused for writer in writers),
        moved=ratio(moved),
        target=ratio(writers[target]),
        other=ratio(writers[other]),
    )


def _fenced_ms(cluster: Cluster, source: str, target: str) -> float:
    """Returns the time between the log lines of the fence and of the commit."""
    fenced = _logged_at(cluster, source, "move.source.fenced")
    return (_logged_at(cluster, target, "move.target.committed") - fenced) / timedelta(
        milliseconds=1
    )


def _logged_at(cluster: Cluster, name: str, place: str) -> datetime:
    """The time at which a process last reached a failpoint; the failpoint does not stop it."""
    line = cluster.processes[name].lines_with(rf"failpoint {place}$")[-1]
    return datetime.strptime(" ".join(line.split()[:2]), "%Y-%m-%d %H:%M:%S,%f")  # noqa: DTZ007


def _size(cluster: Cluster, name: str) -> int:
    member = cluster.ring.member(name)
    assert member is not None
    return member.size_bytes


@contextmanager
def _writers(address: str, batch_bytes: int) -> Iterator[list[WriterResponses]]:
    """One writer for each partition, each with a connection and a thread of its own."""
    stop = threading.Event()
    writers = [WriterResponses(batch_bytes) for _ in range(_PARTITIONS)]
    threads = [
        threading.Thread(target=_write, args=(address, partition, writers[partition], stop))
        for partition in range(_PARTITIONS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield writers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _write(address: str, partition: int, responses: WriterResponses, stop: threading.Event) -> None:
    """Writes batches with acks=all, each after the response to the last one."""
    frame = _produce_frame(partition, responses.batch_bytes, acks=-1)
    with KafkaSocket(address) as connection:
        while not stop.is_set():
            connection.send_bytes(frame)
            if _is_stored(connection.read_frame()):
                responses.at.append(time.perf_counter())
            else:
                responses.refused += 1


def _fill(address: str, size_bytes: int) -> None:
    frame = _produce_frame(0, _FILL_BATCH_BYTES, acks=1)
    count = size_bytes // _FILL_BATCH_BYTES
    with KafkaSocket(address) as connection:
        for number in range(count + _FILL_IN_FLIGHT):
            if number < count:
                connection.send_bytes(frame)
            if number >= _FILL_IN_FLIGHT:
                assert _is_stored(connection.read_frame()), "the fill was refused"


def _produce_frame(partition: int, batch_bytes: int, *, acks: int) -> bytes:
    batch = requests.record_batch(bytes(batch_bytes), 1)
    return requests.produce(_TOPIC, partition, batch, acks=acks, correlation_id=1)


def _is_stored(frame: bytes) -> bool:
    """False where it has to be sent again. Raises where it was refused for another reason."""
    layout = produce_response(_TOPIC)
    # A refusal may carry a message and is longer, but begins in the same way.
    error = layout.unpack((len(frame).to_bytes(4, "big") + frame)[: layout.size])[3]
    assert not error or error in _REFUSED, f"error code {error}"
    return not error


def _table(moves: Sequence[Move], gigabytes: float) -> str:
    def row(what: str, values: Sequence[float]) -> tuple[str, ...]:
        low, high = number(min(values)), number(max(values))
        return what, number(statistics.median(values)), f"{low} … {high}"

    rows = [
        row("longest time without an answer, moving partition, ms", [m.gap_ms for m in moves]),
        row("the same without a move, ms", [m.gap_without_ms for m in moves]),
        row("from the fence to the new owner, ms", [m.fenced_ms for m in moves]),
        row("answers that were refusals", [m.refused for m in moves]),
        row("the move, s", [m.seconds for m in moves]),
        row("the move, MB/s", [m.mb_per_second for m in moves]),
        row("throughput kept: the moving partition", [m.moved for m in moves]),
        row("throughput kept: a partition of the target", [m.target for m in moves]),
        row("throughput kept: a partition of the third", [m.other for m in moves]),
    ]
    return markdown.table((f"move of {gigabytes:g} GB", "median", "lowest … highest"), rows)


if __name__ == "__main__":
    main()

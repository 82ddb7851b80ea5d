"""Cost of a move for producers: `python -m benchmarks.cluster.moves --gigabytes 1 --rounds 5`.

Three partition services, a topic with a partition on each; partition 0 holds the bytes. While one
client writes to each partition, batch after batch, the member that has partition 0 is drained. The
longest time between two answers, and the bytes written, are taken over the move and over as long
after it: the machine has pauses of its own. Beside that stands what the services themselves log:
from the fence at the old owner to the answer that the new one may serve. Afterwards the member is
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
from benchmarks.load.responses import produce_answer
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
#: Not the owner any more, or no answer from it: sent again, and counted.
_REFUSED: Final = frozenset({5, 6, 7, 13, 74, 75})


@dataclass(slots=True)
class Answers:
    """Acknowledgement times of a producer's batches, and the errors in between."""

    batch_bytes: int
    at: list[float] = field(default_factory=list)
    refused: int = 0

    def between(self, start: float, end: float) -> list[float]:
        return [one for one in self.at if start <= one <= end]

    def longest_gap_ms(self, start: float, end: float) -> float:
        """Between two answers, of which at least one came in this time."""
        inside = [start, *self.between(start, end), end]
        return max(after - before for before, after in pairwise(inside)) * 1e3

    def mb_per_second(self, start: float, end: float) -> float:
        return len(self.between(start, end)) * self.batch_bytes / (end - start) / 1e6


@dataclass(frozen=True, slots=True)
class Move:
    """One drain: what it took, and what writers saw meanwhile; throughput beside that without it.

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
    settings = dict(one.replace(".", "_").split("=", 1) for one in options.set)
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
        yield _one_move(cluster, options.batch_bytes)
        for member in cluster.members:
            cluster.ring.add(member)
        cluster.ring.wait_until(is_settled, what="every member back", within_s=_MOVED_WITHIN_S)


def _one_move(cluster: Cluster, batch_bytes: int) -> Move:
    owners = [partition.owner for partition in cluster.ring.topic(_TOPIC).partitions]
    # Members report now and then.
    size_bytes = eventually(lambda: _size(cluster, owners[0]), what="a report of its size")
    with _writers(cluster.bootstrap, batch_bytes) as answers:
        eventually(
            lambda: all(len(answer.at) > 50 for answer in answers), what="writers that write"
        )
        start = time.perf_counter()
        cluster.ring.drain(owners[0])
        cluster.ring.wait_until(is_settled, what="the move", within_s=_MOVED_WITHIN_S)
        end = time.perf_counter()
        # As long again without a move; the cluster is the same, and warm.
        eventually(lambda: time.perf_counter() > 2 * end - start, within_s=_MOVED_WITHIN_S)
        after = time.perf_counter()
    target = owners.index(cluster.ring.topic(_TOPIC).partitions[0].owner)
    (other,) = {1, 2} - {target}
    moved = answers[0]

    def kept(one: Answers) -> float:
        return one.mb_per_second(start, end) / one.mb_per_second(end, after)

    return Move(
        seconds=end - start,
        mb_per_second=size_bytes / (end - start) / 1e6,
        gap_ms=moved.longest_gap_ms(start, end),
        gap_without_ms=moved.longest_gap_ms(end, after),
        fenced_ms=_fenced_ms(cluster, owners[0], owners[target]),
        refused=sum(answer.refused for answer in answers),
        moved=kept(moved),
        target=kept(answers[target]),
        other=kept(answers[other]),
    )


def _fenced_ms(cluster: Cluster, source: str, target: str) -> float:
    """Between the log lines of the two: appends are refused from, and taken again after."""
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
def _writers(address: str, batch_bytes: int) -> Iterator[list[Answers]]:
    """One writer for each partition, each with a connection and a thread of its own."""
    stop = threading.Event()
    answers = [Answers(batch_bytes) for _ in range(_PARTITIONS)]
    threads = [
        threading.Thread(target=_write, args=(address, partition, answers[partition], stop))
        for partition in range(_PARTITIONS)
    ]
    for one in threads:
        one.start()
    try:
        yield answers
    finally:
        stop.set()
        for one in threads:
            one.join()


def _write(address: str, partition: int, answers: Answers, stop: threading.Event) -> None:
    """Batch after batch with acks=all, the next when the last was answered."""
    frame = _produce_frame(partition, answers.batch_bytes, acks=-1)
    with KafkaSocket(address) as connection:
        while not stop.is_set():
            connection.send_bytes(frame)
            if _is_stored(connection.read_frame()):
                answers.at.append(time.perf_counter())
            else:
                answers.refused += 1


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
    layout = produce_answer(_TOPIC)
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

"""Latency of healthy partitions beside a dead member: `python -m benchmarks.cluster.dead_member`.

Three partition services, a topic with partitions on each. One client with one connection sends
small batches to all partitions in turn, at a steady pace, with a few requests in flight, as
producers do; responses of a connection keep their order. First all members live. Then one is killed
and stays down, and the client backs off for 100 ms from a partition that refused, as librdkafka
does. The report compares the latencies of the other members' partitions in both phases.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.load import requests
from benchmarks.load.responses import produce_response
from benchmarks.report import machine, markdown
from benchmarks.report.markdown import number
from tests.support.clients.raw_client import RawClient
from tests.support.processes.cluster import Cluster
from tests.support.waiting import eventually
from tests.support.wire.kafka_socket import KafkaSocket

_TOPIC: Final = "beside-the-dead"
_PARTITIONS: Final = 9
_BATCH_BYTES: Final = 1000
_IN_FLIGHT_MAX: Final = 5
_RETRY_BACKOFF_S: Final = 0.1
#: Errors after which a client sends a batch again.
_RETRIABLE: Final = frozenset({5, 6, 7, 13, 74, 75})


@dataclass(slots=True)
class Load:
    """Latencies in seconds, by partition, and the number of refusals."""

    latencies: dict[int, list[float]]
    refused: int = 0


@dataclass(slots=True)
class _Client:
    """One connection: a thread sends, another receives."""

    address: str
    pause_s: float
    load: Load = field(default_factory=lambda: Load({n: [] for n in range(_PARTITIONS)}))
    not_before: list[float] = field(default_factory=lambda: [0.0] * _PARTITIONS)

    def run(self, seconds: float) -> Load:
        frames = [_produce_frame(partition) for partition in range(_PARTITIONS)]
        sent: deque[tuple[int, float]] = deque()
        room = threading.Semaphore(_IN_FLIGHT_MAX)
        unread = threading.Semaphore(0)
        has_ended = threading.Event()
        with KafkaSocket(self.address) as connection:

            def receive() -> None:
                while unread.acquire() and not (has_ended.is_set() and not sent):
                    partition, at = sent[0]
                    self._on_response(partition, at, is_stored=_is_stored(connection.read_frame()))
                    sent.popleft()
                    room.release()

            receiver = threading.Thread(target=receive)
            receiver.start()
            end = time.perf_counter() + seconds
            turn = 0
            while time.perf_counter() < end:
                turn += 1
                partition = turn % _PARTITIONS
                if self.not_before[partition] <= time.perf_counter():
                    # The wait for a free slot counts, because the application waits for it, too.
                    due = time.perf_counter()
                    room.acquire()
                    sent.append((partition, due))
                    connection.send_bytes(frames[partition])
                    unread.release()
                time.sleep(self.pause_s)
            has_ended.set()
            unread.release()
            receiver.join()
        return self.load

    def _on_response(self, partition: int, sent_at: float, *, is_stored: bool) -> None:
        now = time.perf_counter()
        if is_stored:
            self.load.latencies[partition].append(now - sent_at)
        else:
            self.load.refused += 1
            self.not_before[partition] = now + _RETRY_BACKOFF_S


@dataclass(frozen=True, slots=True)
class Round:
    """Milliseconds for the partitions of the members that live throughout."""

    p50: float
    p99: float
    highest: float
    p50_beside: float
    p99_beside: float
    highest_beside: float
    refused: int


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster.dead_member", description=__doc__
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each of the two loads")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pause-ms", type=float, default=5.0, help="between two requests")
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.data_dir, prefix="ringlog-bench-") as name:
        with Cluster(Path(name), partitions=3) as cluster:
            with RawClient(cluster.bootstrap) as raw:
                raw.create_topic(name=_TOPIC, partitions=_PARTITIONS)
            rounds = [_round(cluster, options) for _ in range(options.rounds)]
        about = machine.describe(Path(name))
    print("".join(f"- {what}: {words}\n" for what, words in about.items()))
    print(_table(rounds, options.seconds))


def _round(cluster: Cluster, options: argparse.Namespace) -> Round:
    owners = [partition.owner for partition in cluster.ring.topic(_TOPIC).partitions]
    victim = owners[0]
    healthy = [at for at, owner in enumerate(owners) if owner != victim]
    pause_s = options.pause_ms / 1000
    _Client(cluster.bootstrap, pause_s).run(1.0)
    alive = _Client(cluster.bootstrap, pause_s).run(options.seconds)
    killing = threading.Timer(options.seconds / 10, cluster.kill, (victim,))
    killing.start()
    beside = _Client(cluster.bootstrap, pause_s).run(options.seconds)
    killing.join()
    cluster.start(victim)
    cluster.wait_until_ready()
    eventually(lambda: _Client(cluster.bootstrap, pause_s).run(0.5).refused == 0, what="no refusal")
    before, after = _of(alive, healthy), _of(beside, healthy)
    return Round(*_summary(before), *_summary(after), beside.refused)


def _of(load: Load, partitions: Sequence[int]) -> list[float]:
    return [latency for partition in partitions for latency in load.latencies[partition]]


def _summary(latencies: Sequence[float]) -> tuple[float, float, float]:
    percentiles = statistics.quantiles(latencies, n=100)
    return percentiles[49] * 1e3, percentiles[98] * 1e3, max(latencies) * 1e3


def _produce_frame(partition: int) -> bytes:
    batch = requests.record_batch(bytes(_BATCH_BYTES), 1)
    return requests.produce(_TOPIC, partition, batch, acks=-1, correlation_id=1)


def _is_stored(frame: bytes) -> bool:
    """Returns False for an error after which clients try again; others raise."""
    layout = produce_response(_TOPIC)
    error = layout.unpack((len(frame).to_bytes(4, "big") + frame)[: layout.size])[3]
    assert not error or error in _RETRIABLE, f"error code {error}"
    return not error


def _table(rounds: Sequence[Round], seconds: float) -> str:
    def row(what: str, values: Sequence[float]) -> tuple[str, ...]:
        low, high = number(min(values)), number(max(values))
        return what, number(statistics.median(values)), f"{low} … {high}"

    rows = [
        row("p50 while all live, ms", [measured.p50 for measured in rounds]),
        row("p50 beside a dead member, ms", [measured.p50_beside for measured in rounds]),
        row("p99 while all live, ms", [measured.p99 for measured in rounds]),
        row("p99 beside a dead member, ms", [measured.p99_beside for measured in rounds]),
        row("ratio of the two p99", [measured.p99_beside / measured.p99 for measured in rounds]),
        row("highest while all live, ms", [measured.highest for measured in rounds]),
        row("highest beside a dead member, ms", [measured.highest_beside for measured in rounds]),
        row("answers that were refusals", [measured.refused for measured in rounds]),
    ]
    title = f"{len(rounds)} rounds, {seconds:g} s each; healthy partitions"
    return markdown.table((title, "median", "lowest … highest"), rows)


if __name__ == "__main__":
    main()

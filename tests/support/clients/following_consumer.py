"""A confluent-kafka consumer that reads while records are written, and records all it reads."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.support.clients.checker import Stored
from tests.support.waiting import eventually

_POLL_S = 0.1
_BATCH = 500


class FollowingConsumer:
    """Reads every partition from the beginning, in a thread of its own. It never joins a group."""

    def __init__(self, bootstrap: str, topic: str, *, name: str, partitions: int) -> None:
        self.name = name
        self.read: list[Stored] = []
        #: Errors from which a consumer does not recover by itself.
        self.failures: list[str] = []
        #: Connection errors that the client reported.
        self.noticed: list[str] = []
        self.positions: dict[int, int] = dict.fromkeys(range(partitions), 0)
        self._bootstrap, self._topic = bootstrap, topic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def finish(self, ends: Mapping[int, int], *, within_s: float) -> None:
        """Reads up to `ends` (next offset by partition), or fails with its position; then stops."""
        try:
            eventually(
                lambda: self.failures or self.positions == ends,
                within_s=within_s,
                what=f"{self.name} at {ends}",
            )
        except AssertionError as error:
            self.failures.append(str(error))
        self.stop()

    def _work(self) -> None:
        with _consumer(self._bootstrap, on_error=self._on_error) as consumer:
            consumer.assign([TopicPartition(self._topic, n, 0) for n in self.positions])
            while not self._stop.is_set() and not self.failures:
                for message in consumer.consume(_BATCH, timeout=_POLL_S):
                    error = message.error()
                    if error is None:
                        self._add(_stored(message))
                    else:
                        self._on_error(error)

    def _add(self, record: Stored) -> None:
        self.read.append(record)
        self.positions[record.partition] = record.offset + 1

    def _on_error(self, error: KafkaError) -> None:
        # Followers start at the first offset: one that is out of range was deleted.
        is_final = error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET
        (self.failures if is_final else self.noticed).append(f"{self.name}: {error}")


def read_log(
    bootstrap: str, topic: str, partitions: int, *, within_s: float
) -> tuple[dict[int, tuple[int, int]], list[Stored]]:
    """Reads a topic; returns (earliest, next offset) by partition and all records, sorted.

    Fails if not all of them arrive in time.
    """
    deadline = time.monotonic() + within_s
    bounds = {n: _bounds(bootstrap, TopicPartition(topic, n), deadline) for n in range(partitions)}
    with _consumer(bootstrap, on_error=lambda _: None) as consumer:
        count = sum(end - start for start, end in bounds.values())
        consumer.assign([TopicPartition(topic, n, start) for n, (start, _) in bounds.items()])
        read: list[Stored] = []
        while len(read) < count:
            assert time.monotonic() < deadline, f"{len(read)} of {count} records of {topic}"
            messages = consumer.consume(min(_BATCH, count - len(read)), timeout=_POLL_S)
            read += [_stored(message) for message in messages if message.error() is None]
    return bounds, sorted(read)


def _bounds(bootstrap: str, partition: TopicPartition, deadline: float) -> tuple[int, int]:
    while True:
        # A new consumer each time: its metadata may be stale after the cluster was killed.
        with _consumer(bootstrap, on_error=lambda _: None) as consumer:
            try:
                low, high = consumer.get_watermark_offsets(partition, timeout=10, cached=False)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
            else:
                return low, high


@contextmanager
def _consumer(bootstrap: str, *, on_error: object) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "never-joined",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "check.crcs": True,
            "fetch.wait.max.ms": 100,
            "fetch.error.backoff.ms": 20,
            "reconnect.backoff.max.ms": 500,
            "log_level": 0,
            "error_cb": on_error,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _stored(message: object) -> Stored:
    return Stored(message.partition(), message.offset(), message.value())  # type: ignore[attr-defined]

"""An idempotent confluent-kafka producer that numbers its records and keeps delivery reports."""

import threading
import time
from collections import Counter
from itertools import count

from confluent_kafka import KafkaError, Message, Producer

from tests.support.clients.checker import Stored, value_of

#: Limit of records in flight, for example while the broker is down.
_IN_FLIGHT_MAX = 2_000
_KEYS_PER_PARTITION = 2


class NumberingProducer:
    """Sends to every partition, a record for each key in each round, in a thread of its own."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        *,
        name: str,
        partitions: int,
        pause_s: float,
        is_steady: bool = False,
    ) -> None:
        """`pause_s` is the longest time that a round waits for a delivery report.

        With `is_steady` each round takes exactly that long.
        """
        self.name, self._topic, self._pause_s = name, topic, pause_s
        self._is_steady = is_steady
        self._keys = [
            (f"{name}/{partition}.{n}", partition)
            for partition in range(partitions)
            for n in range(_KEYS_PER_PARTITION)
        ]
        self.acknowledged: list[Stored] = []
        self.counts: Counter[int] = Counter()  # acknowledged, by partition
        #: Errors that reached the application: each is a record that was not stored.
        self.failures: list[str] = []
        #: Connection errors that the client reported; it recovers by itself.
        self.noticed: list[str] = []
        self.unknown: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": name,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 2,
                # Longer than any fault in the tests.
                "message.timeout.ms": 300_000,
                "retry.backoff.ms": 20,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
                "error_cb": self._on_error,
            }
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stops sending. Records in flight may still be acknowledged until `finish`."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def finish(self, *, within_s: float) -> None:
        """Stops, and waits for all delivery reports."""
        self.stop()
        pending = self._producer.flush(within_s)
        if pending:
            self.failures.append(f"{self.name}: {pending} records without a delivery report")

    def _work(self) -> None:
        for sequence in count():
            for key, partition in self._keys:
                value = value_of(key, sequence)
                self.unknown.add(value)
                self._producer.produce(
                    self._topic, value, key, partition=partition, on_delivery=self._on_delivery
                )
            # Sets the rate of the load, and reads responses.
            due = time.monotonic() + self._pause_s
            self._producer.poll(self._pause_s)
            while self._is_steady and not self._stop.is_set():
                left = due - time.monotonic()
                if left <= 0:
                    break
                self._producer.poll(left)
            while len(self._producer) > _IN_FLIGHT_MAX and not self._stop.is_set():
                self._producer.poll(self._pause_s)
            if self._stop.is_set():
                return

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        value, partition = message.value(), message.partition()
        assert value is not None
        assert partition is not None
        if error is not None:
            self.failures.append(f"{self.name}: {value!r} refused: {error}")
            return
        self.unknown.discard(value)
        self.acknowledged.append(Stored(partition, message.offset() or 0, value))
        self.counts[partition] += 1

    def _on_error(self, error: KafkaError) -> None:
        (self.failures if error.fatal() else self.noticed).append(f"{self.name}: {error}")

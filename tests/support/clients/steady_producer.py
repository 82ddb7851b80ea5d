"""Producer that records its acknowledged batches, and checks a restarted broker against them."""

import threading
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from tests.support.clients.raw_client import ProducerId, RawClient
from tests.support.wire.batches import batch_offsets, record_batch
from tests.support.wire.records import numbered

#: Errors after which a Kafka producer sends the same batch again.
RETRIABLE = {3, 5, 6, 7, 13, 14, 15, 16, 19, 20, 56, 74, 75}


class SteadyProducer:
    """Sends numbered batches to one partition, one after the other, in a thread of its own.

    With an identity (idempotent) a batch whose response was lost is sent again, with its sequence,
    until it is acknowledged. Without one its outcome stays unknown, and the next batch follows.
    """

    def __init__(
        self,
        address: Callable[[], str],
        topic: str,
        partition: int,
        *,
        acks: int,
        identity: ProducerId | None,
    ) -> None:
        self._address, self._topic, self._partition = address, topic, partition
        self._acks, self._identity = acks, identity
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._client: RawClient | None = None
        self._next = 0
        self.acknowledged: list[tuple[int, bytes]] = []  # base offset, batch as it was sent
        #: Counts of the error codes after which a batch was sent again.
        self.refused: Counter[int] = Counter()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stops after the batch in flight was acknowledged. Raises any error of the thread."""
        self._stop.set()
        self._thread.join(timeout=120)
        assert not self._thread.is_alive(), "a producer is stuck"
        if self._client is not None:
            self._client.close()
        if self._error is not None:
            raise self._error

    def check(self, reader: RawClient) -> None:
        """Asserts that acknowledged batches are in the log: once, in order, unchanged."""
        stored = reader.fetch_all(self._topic, partition=self._partition)
        by_offset = {batch_offsets(batch).start: batch for batch in stored}
        for base_offset, sent in self.acknowledged:
            assert base_offset in by_offset, f"the batch acknowledged at {base_offset} is missing"
            # The broker writes base offset and leader epoch.
            assert by_offset[base_offset][16:] == sent[16:], f"other bytes at {base_offset}"
        spans = [batch_offsets(batch) for batch in stored]
        assert all(one.stop == following.start for one, following in pairwise(spans)), "a gap"
        if self._identity is not None:
            assert [batch[16:] for batch in stored] == [sent[16:] for _, sent in self.acknowledged]
        else:
            bodies = [batch[16:] for batch in stored]
            assert len(set(bodies)) == len(bodies), "stored twice without being sent twice"

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._send_next()
        except BaseException as error:  # noqa: BLE001 - raised by `stop`, on the test's thread
            self._error = error

    def _send_next(self) -> None:
        batch = self._batch()
        while (base_offset := self._try(batch)) is None and self._identity is not None:
            pass
        self._next += 1
        if base_offset is not None:
            self.acknowledged.append((base_offset, batch))

    def _batch(self) -> bytes:
        records = numbered(2, start=2 * self._next, size=100)
        if self._identity is None:
            return record_batch(records)
        return record_batch(records, producer=(*self._identity, 2 * self._next))

    def _try(self, batch: bytes) -> int | None:
        """The base offset, or None if the outcome is unknown or the error is retriable."""
        try:
            if self._client is None:
                self._client = RawClient(self._address())
            response = self._client.produce(
                self._topic, batch, partition=self._partition, acks=self._acks
            )
        except OSError:
            if self._client is not None:
                self._client.close()
            self._client = None
            # The broker is down: avoid a busy loop on a port that refuses connections.
            self._stop.wait(0.02)
            return None
        if response.error_code in RETRIABLE:
            self.refused[response.error_code] += 1
            self._stop.wait(0.02)
            return None
        assert response.error_code == 0, f"error {response.error_code} for batch {self._next}"
        return response.base_offset

"""Idempotent producers of one log: the last five batches of each, and the sequence that is next.

Rules: ProducerStateEntry and ProducerAppendInfo of Apache Kafka. Pure state: the log stores the
rows that `remember` returns, in the same atomic write as the batch.
"""

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from common.ports.partitions import Refusal
from common.records.batch import SEQUENCE_MASK, BatchHeader

#: A producer has up to five requests in flight, so it may send any of five batches again.
BATCHES_KEPT: Final = 5
#: Producers of one log in memory; each takes about 0.8 KB.
CACHED_MAX: Final = 5_000

_HEAD: Final = struct.Struct(">hq")
_BATCH: Final = struct.Struct(">iiq")


class KnownBatch(NamedTuple):
    """Sequences and base offset of a stored batch."""

    base_sequence: int
    last_sequence: int
    base_offset: int


class Duplicate(NamedTuple):
    """The result for a batch that is in the log already; the producer missed the response."""

    base_offset: int


class OutOfSequence(NamedTuple):
    """The result for a batch whose epoch or sequence is not the next one."""

    refusal: Refusal
    message: str


class _Producer:
    """The state of one producer id. `packed` has the batches as stored, oldest first."""

    __slots__ = ("batches", "epoch", "packed", "seen_ms")

    def __init__(self, epoch: int, seen_ms: int) -> None:
        self.epoch = epoch
        self.seen_ms = seen_ms
        self.batches: list[KnownBatch] = []
        self.packed: list[bytes] = []

    def add(self, batch: KnownBatch) -> None:
        packed = _BATCH.pack(*batch)
        self.batches.append(batch)
        self.packed.append(packed)
        if len(self.batches) > BATCHES_KEPT:
            del self.batches[0], self.packed[0]

    def row(self) -> bytes:
        return _HEAD.pack(self.epoch, self.seen_ms) + b"".join(self.packed)

    @classmethod
    def of_row(cls, row: bytes) -> "_Producer":
        epoch, seen_ms = _HEAD.unpack_from(row)
        producer = cls(epoch, seen_ms)
        for batch in _BATCH.iter_unpack(row[_HEAD.size :]):
            producer.add(KnownBatch(*batch))
        return producer


class ProducerStates:
    """The states of a log's idempotent producers. Times are milliseconds since the epoch.

    A state is read from the store when its producer appends, and cached. So opening a log costs
    nothing, however many producers it has.
    """

    def __init__(
        self,
        read_row: Callable[[int], bytes | None],
        *,
        expiration_ms: int,
        written_offset: Callable[[], int] = lambda: 0,
        cached_max: int = CACHED_MAX,
    ) -> None:
        """Reads nothing yet.

        Args:
            read_row: returns the stored row of a producer id, or None.
            expiration_ms: time after the last append when a producer is forgotten.
            written_offset: returns the offset before which every batch is in the store.
            cached_max: limit of cached producers, without those that have unwritten batches.
        """
        #: Number of new producer ids since it was reset.
        self.added = 0
        self._read_row = read_row
        self._expiration_ms = expiration_ms
        self._written_offset = written_offset
        self._cached_max = self._evict_at = cached_max
        self._producers: dict[int, _Producer] = {}

    def __len__(self) -> int:
        """Returns the number of cached producers."""
        return len(self._producers)

    def check(self, header: BatchHeader, now_ms: int) -> Duplicate | OutOfSequence | None:
        """Returns None if a batch may be appended, otherwise why not."""
        producer = self._producers.get(header.producer_id) or self._load(header.producer_id)
        if producer is None:
            # Any sequence is accepted, since the state may have expired.
            self.added += 1
            return None
        if now_ms - producer.seen_ms >= self._expiration_ms:
            del self._producers[header.producer_id]
            return None
        if header.producer_epoch != producer.epoch:
            return _check_new_epoch(header, producer.epoch)
        base_sequence, last_sequence = header.base_sequence, header.last_sequence
        for batch in producer.batches:
            if batch[0] == base_sequence and batch[1] == last_sequence:
                return Duplicate(batch[2])
        expected = (producer.batches[-1][1] + 1) & SEQUENCE_MASK
        if base_sequence != expected:
            return _out_of_order(header, expected)
        return None

    def remember(self, header: BatchHeader, base_offset: int, now_ms: int) -> bytes:
        """Records an appended batch; returns the producer's new row."""
        producer = self._producers.get(header.producer_id)
        if producer is None or producer.epoch != header.producer_epoch:
            producer = _Producer(header.producer_epoch, now_ms)
            self._put(header.producer_id, producer)
        producer.seen_ms = now_ms
        producer.add(KnownBatch(header.base_sequence, header.last_sequence, base_offset))
        return producer.row()

    def last_seen_ms(self, producer_id: int) -> int:
        """Returns the time of a cached producer's last append; -1 if it is not cached."""
        producer = self._producers.get(producer_id)
        return -1 if producer is None else producer.seen_ms

    def forget(self, producer_id: int) -> None:
        """Drops a producer whose row was deleted."""
        self._producers.pop(producer_id, None)

    def evict(self, before_ms: int) -> None:
        """Drops cached producers whose last append was before `before_ms`; the store has them."""
        written = self._written_offset()
        self._producers = {
            producer_id: producer
            for producer_id, producer in self._producers.items()
            if producer.seen_ms >= before_ms or producer.batches[-1].base_offset >= written
        }
        self._evict_at = max(self._cached_max, 2 * len(self._producers))

    def _load(self, producer_id: int) -> _Producer | None:
        row = self._read_row(producer_id)
        if row is None:
            return None
        producer = _Producer.of_row(row)
        self._put(producer_id, producer)
        return producer

    def _put(self, producer_id: int, producer: _Producer) -> None:
        if len(self._producers) >= self._evict_at:
            times = sorted(cached.seen_ms for cached in self._producers.values())
            self.evict(times[len(times) // 2] + 1)
        self._producers[producer_id] = producer


def row_seen_ms(row: bytes) -> int:
    """Returns the time of the last append in a stored row."""
    seen_ms: int = _HEAD.unpack_from(row)[1]
    return seen_ms


def row_before(row: bytes, end_offset: int) -> bytes | None:
    """Returns a row without the batches from `end_offset` on; None if no batch remains."""
    stored = (KnownBatch(*fields) for fields in _BATCH.iter_unpack(row[_HEAD.size :]))
    batches = [batch for batch in stored if batch.base_offset < end_offset]
    if not batches:
        return None
    return row[: _HEAD.size] + b"".join(_BATCH.pack(*batch) for batch in batches)


def row_after(row: bytes | None, header: BatchHeader, seen_ms: int) -> bytes | None:
    """Returns the row of a producer after a batch that another member has accepted.

    Returns None if `row` includes the batch, or a later one.
    """
    producer = None if row is None else _Producer.of_row(row)
    if producer is not None and producer.batches[-1].base_offset >= header.base_offset:
        return None
    if producer is None or producer.epoch != header.producer_epoch:
        producer = _Producer(header.producer_epoch, seen_ms)
    producer.seen_ms = seen_ms
    producer.add(KnownBatch(header.base_sequence, header.last_sequence, header.base_offset))
    return producer.row()


def _check_new_epoch(header: BatchHeader, epoch: int) -> OutOfSequence | None:
    if header.producer_epoch < epoch:
        return OutOfSequence(
            Refusal.INVALID_PRODUCER_EPOCH,
            f"producer {header.producer_id} has epoch {epoch}, not {header.producer_epoch}",
        )
    return None if header.base_sequence == 0 else _out_of_order(header, 0)


def _out_of_order(header: BatchHeader, expected: int) -> OutOfSequence:
    return OutOfSequence(
        Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER,
        f"producer {header.producer_id} sent sequence {header.base_sequence}, not {expected}",
    )

"""Idempotent producers of one log: the last five batches of each, and what may come next.

Rules: ProducerStateEntry and ProducerAppendInfo of Apache Kafka. Pure state: the log stores the
rows that `remember` returns, in the same atomic write as the batch.
"""

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from common.ports.partitions import Refusal
from common.records.batch import BatchHeader

#: A producer may have five requests in flight, so any of five batches may be sent again.
BATCHES_KEPT: Final = 5
SEQUENCE_MASK: Final = 0x7FFFFFFF

_HEAD: Final = struct.Struct(">hq")
_BATCH: Final = struct.Struct(">iiq")


class KnownBatch(NamedTuple):
    """A stored batch as its producer names it, and where it is."""

    base_sequence: int
    last_sequence: int
    base_offset: int


class Duplicate(NamedTuple):
    """The batch is in the log already: the producer did not see the first answer."""

    base_offset: int


class OutOfSequence(NamedTuple):
    """The batch is not what must come next."""

    refusal: Refusal
    message: str


class _Producer:
    """One producer id. `packed` holds the batches as they are stored, oldest first."""

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


class Producers:
    """All producers that a log remembers. Times are milliseconds since the epoch."""

    def __init__(self, rows: Iterable[tuple[int, bytes]], *, expiration_ms: int) -> None:
        """`rows` are producer id and stored row (the state survives a restart)."""
        self._expiration_ms = expiration_ms
        self._producers = {producer_id: _Producer.of_row(row) for producer_id, row in rows}

    def __len__(self) -> int:
        return len(self._producers)

    def check(self, header: BatchHeader, now_ms: int) -> Duplicate | OutOfSequence | None:
        """What is to be done with a batch of an idempotent producer; None: append it."""
        producer = self._producers.get(header.producer_id)
        if producer is None:
            # Any sequence will do: its state may have expired.
            return None
        if self._is_expired(producer, now_ms):
            del self._producers[header.producer_id]
            return None
        if header.producer_epoch != producer.epoch:
            return _of_new_epoch(header, producer.epoch)
        base_sequence, last_sequence = header.base_sequence, header.last_sequence
        for batch in producer.batches:
            if batch[0] == base_sequence and batch[1] == last_sequence:
                return Duplicate(batch[2])
        expected = (producer.batches[-1][1] + 1) & SEQUENCE_MASK
        if base_sequence != expected:
            return _out_of_order(header, expected)
        return None

    def remember(self, header: BatchHeader, base_offset: int, now_ms: int) -> bytes:
        """Takes note of an appended batch; returns the producer's new row."""
        producer = self._producers.get(header.producer_id)
        if producer is None or producer.epoch != header.producer_epoch:
            producer = _Producer(header.producer_epoch, now_ms)
            self._producers[header.producer_id] = producer
        producer.seen_ms = now_ms
        producer.add(KnownBatch(header.base_sequence, header.last_sequence, base_offset))
        return producer.row()

    def expire(self, now_ms: int) -> list[int]:
        """Forgets producers that were silent for too long; returns their ids."""
        gone = [
            producer_id
            for producer_id, producer in self._producers.items()
            if self._is_expired(producer, now_ms)
        ]
        for producer_id in gone:
            del self._producers[producer_id]
        return gone

    def _is_expired(self, producer: _Producer, now_ms: int) -> bool:
        return now_ms - producer.seen_ms >= self._expiration_ms


def _of_new_epoch(header: BatchHeader, epoch: int) -> OutOfSequence | None:
    if header.producer_epoch < epoch:
        return OutOfSequence(
            Refusal.INVALID_PRODUCER_EPOCH,
            f"producer {header.producer_id} has epoch {epoch}, not {header.producer_epoch}",
        )
    return None if header.base_sequence == 0 else _out_of_order(header, 0)


def _out_of_order(header: BatchHeader, expected: int) -> OutOfSequence:
    return OutOfSequence(
        Refusal.OUT_OF_ORDER_SEQUENCE,
        f"producer {header.producer_id} sent sequence {header.base_sequence}, not {expected}",
    )

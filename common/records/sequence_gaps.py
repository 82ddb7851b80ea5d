"""Sequence gaps of idempotent producers: batches that must wait for the retry of a lost one.

A producer has up to five batches in flight. If one of them is lost, later ones may still arrive,
and the log would refuse them with OUT_OF_ORDER_SEQUENCE_NUMBER. librdkafka then raises its epoch
and sends everything again, even batches that were stored but not acknowledged, so records are
stored twice. And if a later batch is accepted, librdkafka assumes that the lost ones were stored. A
Kafka broker that dies closes its connections, so later batches are lost too. This module gives the
same guarantee without closing connections: after a loss, a log accepts batches of that producer
only in sequence, beginning with the first lost one, until the producer has caught up.

Pure state of one log. Batches without a producer id are not affected.
"""

import struct
from collections import OrderedDict
from typing import Final, NamedTuple

from common.records.batch import SEQUENCE_MASK

#: Seconds after which a gap expires: producers retry within seconds.
GAP_S: Final = 60.0

#: Limit of producers with a gap in one log; over it the oldest gap is dropped.
_GAPS_MAX: Final = 1024
#: Limit of recorded refused sequences; producers have five requests in flight.
_REFUSED_MAX: Final = 16

#: Fields of a v2 batch: last offset delta, producer id, producer epoch, base sequence.
_PRODUCER_FIELDS: Final = struct.Struct(">23xi16xqhi")
_HALF_OF_SEQUENCES: Final = 1 << 30


class ProducerBatch(NamedTuple):
    """The producer fields of a batch; `next_sequence` is that of the following batch."""

    producer_id: int
    epoch: int
    base_sequence: int
    next_sequence: int


def producer_batch(batch: bytes | memoryview) -> ProducerBatch | None:
    """Returns the producer fields of a batch; None without a producer id or for invalid bytes."""
    if len(batch) < _PRODUCER_FIELDS.size:
        return None
    last_delta, producer_id, epoch, base_sequence = _PRODUCER_FIELDS.unpack_from(batch)
    if producer_id < 0 or base_sequence < 0:
        return None
    next_sequence = (base_sequence + last_delta + 1) & SEQUENCE_MASK
    return ProducerBatch(producer_id, epoch, base_sequence, next_sequence)


class _Gap:
    """The gap of one producer: `expected` is the only sequence accepted; it closes at `end`."""

    __slots__ = ("end", "epoch", "expected", "expires_at", "refused")

    def __init__(self, batch: ProducerBatch, expires_at: float) -> None:
        self.epoch = batch.epoch
        self.expected = batch.base_sequence
        self.end = batch.next_sequence
        self.expires_at = expires_at
        #: Sequences refused since `expected` changed, in order.
        self.refused: list[int] = []

    def extend(self, batch: ProducerBatch) -> None:
        """Moves the end of the gap behind a batch."""
        if _is_after(batch.next_sequence, self.end):
            self.end = batch.next_sequence

    def refuse(self, batch: ProducerBatch) -> None:
        """Records a refused batch; drops later ones, which the producer will send again."""
        self.extend(batch)
        while self.refused and not _is_after(batch.base_sequence, self.refused[-1]):
            self.refused.pop()
        if len(self.refused) < _REFUSED_MAX:
            self.refused.append(batch.base_sequence)


class SequenceGaps:
    """The gaps of one log, by producer id. Times are seconds of one monotonic clock."""

    __slots__ = ("_gaps",)

    def __init__(self) -> None:
        self._gaps: OrderedDict[int, _Gap] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        return len(self._gaps)

    def open(self, batch: ProducerBatch, now_s: float) -> None:
        """Records a batch that failed with a retriable error, so that its producer retries it."""
        gap = self._gaps.pop(batch.producer_id, None)
        if gap is None or batch.epoch > gap.epoch:
            gap = _Gap(batch, now_s + GAP_S)
        elif batch.epoch == gap.epoch:
            gap.extend(batch)
            if not _is_after(batch.base_sequence, gap.expected):
                gap.expected = batch.base_sequence
                gap.refused.clear()
            gap.expires_at = now_s + GAP_S
        self._gaps[batch.producer_id] = gap
        if len(self._gaps) > _GAPS_MAX:
            self._gaps.popitem(last=False)

    def admit(self, batch: ProducerBatch, now_s: float) -> bool:
        """Returns True if a batch may be appended now. Call it once for each arrival, in order.

        A refused batch that arrives again, while neither the lost one nor any other before it does,
        is admitted: its producer has given up the lost one, or another gateway has handled it. The
        log checks its sequence, and the batch after it is expected next.
        """
        self.expire(now_s)
        gap = self._gaps.get(batch.producer_id)
        if gap is None or batch.epoch < gap.epoch:
            return True
        if batch.epoch > gap.epoch:
            del self._gaps[batch.producer_id]
            return True
        if batch.base_sequence == gap.expected or batch.base_sequence in gap.refused:
            self._advance(gap, batch)
            return True
        if not _is_after(batch.base_sequence, gap.expected):
            return True
        gap.refuse(batch)
        return False

    def expire(self, now_s: float) -> None:
        """Drops gaps that are older than `GAP_S`."""
        while self._gaps:
            producer_id, gap = next(iter(self._gaps.items()))
            if gap.expires_at > now_s:
                return
            del self._gaps[producer_id]

    def _advance(self, gap: _Gap, batch: ProducerBatch) -> None:
        gap.extend(batch)
        gap.expected = batch.next_sequence
        gap.refused.clear()
        if gap.expected == gap.end:
            del self._gaps[batch.producer_id]


def _is_after(sequence: int, other: int) -> bool:
    """Returns True if `sequence` is after `other`; 2^31 - 1 is followed by 0."""
    return 0 < (sequence - other) & SEQUENCE_MASK < _HALF_OF_SEQUENCES

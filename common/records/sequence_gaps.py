"""Sequence gaps of idempotent producers: which batches wait until a lost one was sent again.

A producer has up to five batches in flight. When one of them is lost, later ones may still arrive,
and the log would refuse them with OUT_OF_ORDER_SEQUENCE_NUMBER. librdkafka then raises its epoch
and sends everything again, also what was stored and only not acknowledged, so records are stored
twice. And a later batch that is accepted makes librdkafka take the lost ones for stored. A Kafka
broker that dies closes its connections, and so loses what follows too. This module gives the same
guarantee without closing connections: after a loss, a log takes the batches of that producer only
in sequence, beginning with the first lost one, until the producer has caught up.

Pure state of one log. Batches without a producer id pass.
"""

import struct
from collections import OrderedDict
from typing import Final, NamedTuple

#: A gap is forgotten after this time: a producer that retries does so within seconds.
GAP_S: Final = 60.0

#: Producers with a gap in one log; past it, the oldest gap is forgotten.
_GAPS_MAX: Final = 1024
#: Sequences that were refused and are remembered; producers have five requests in flight.
_REFUSED_MAX: Final = 16

#: Of a batch in format v2: last offset delta, producer id, producer epoch, base sequence.
_PRODUCER_FIELDS: Final = struct.Struct(">23xi16xqhi")
_SEQUENCE_MASK: Final = 0x7FFFFFFF
_HALF_OF_SEQUENCES: Final = 1 << 30


class ProducerBatch(NamedTuple):
    """A batch as its producer names it; `next_sequence` is the one that follows it."""

    producer_id: int
    epoch: int
    base_sequence: int
    next_sequence: int


def producer_batch(batch: bytes | memoryview) -> ProducerBatch | None:
    """Returns None for a batch without a producer id, and for bytes that are no batch."""
    if len(batch) < _PRODUCER_FIELDS.size:
        return None
    last_delta, producer_id, epoch, base_sequence = _PRODUCER_FIELDS.unpack_from(batch)
    if producer_id < 0 or base_sequence < 0:
        return None
    next_sequence = (base_sequence + last_delta + 1) & _SEQUENCE_MASK
    return ProducerBatch(producer_id, epoch, base_sequence, next_sequence)


class _Gap:
    """`expected` is the only sequence that may come; at `end` the producer has caught up."""

    __slots__ = ("end", "epoch", "expected", "expires_at", "refused")

    def __init__(self, batch: ProducerBatch, expires_at: float) -> None:
        self.epoch = batch.epoch
        self.expected = batch.base_sequence
        self.end = batch.next_sequence
        self.expires_at = expires_at
        self.refused: list[int] = []  # in sequence, since `expected` changed

    def extend(self, batch: ProducerBatch) -> None:
        """Notes a batch that exists: the gap ends behind it."""
        if _is_after(batch.next_sequence, self.end):
            self.end = batch.next_sequence

    def refuse(self, batch: ProducerBatch) -> None:
        """Notes a batch that is refused, and those before it; later ones will come again."""
        self.extend(batch)
        while self.refused and not _is_after(batch.base_sequence, self.refused[-1]):
            self.refused.pop()
        if len(self.refused) < _REFUSED_MAX:
            self.refused.append(batch.base_sequence)


class SequenceGaps:
    """The gaps of one log, by producer id. Times are seconds of one monotonic clock."""

    __slots__ = ("_gaps",)

    def __init__(self) -> None:
        self._gaps: OrderedDict[int, _Gap] = OrderedDict()  # the oldest first

    def __len__(self) -> int:
        return len(self._gaps)

    def open(self, batch: ProducerBatch, now_s: float) -> None:
        """Notes that a batch got an error after which its producer sends it again."""
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
        """Returns whether a batch may be appended now. Call it once for each arrival, in order.

        A batch that was refused and comes again, while neither the lost one nor any other before it
        came, passes: its producer has given the lost one up, or another gateway took it. The log
        decides about it, and what follows it is expected next.
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
        """Forgets gaps that are older than `GAP_S`."""
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
    """Returns whether `sequence` comes after `other`; sequences begin again at 0 after 2^31 - 1."""
    return 0 < (sequence - other) & _SEQUENCE_MASK < _HALF_OF_SEQUENCES

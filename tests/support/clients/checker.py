"""Invariants of a log after any fault: pure functions of what clients recorded.

Producers number the records of each key from 0 and put both into the value (`value_of`). They are
idempotent with acks=all, so that a record is in the log once, in the order of its key, wherever it
was acknowledged.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

#: Problems of one kind that are listed in full; a lost log would fill the terminal.
_TOLD_MAX = 5


class Stored(NamedTuple):
    """A record and its place: acknowledged there, or read from there."""

    partition: int
    offset: int
    value: bytes


@dataclass(slots=True)
class Evidence:
    """Records of the clients at the end."""

    #: Delivery reports without an error.
    acknowledged: Sequence[Stored]
    #: The whole log, read from the beginning after the last acknowledgement.
    log: Sequence[Stored]
    #: Earliest and next offset by partition, as the broker reports them at the end.
    bounds: Mapping[int, tuple[int, int]]
    #: By follower: the records it read during the load.
    followed: Mapping[str, Sequence[Stored]] = field(default_factory=dict)
    #: Values whose outcome the producer does not know: in the log once, or not.
    unknown: frozenset[bytes] = frozenset()


def value_of(key: str, sequence: int) -> bytes:
    """The value of the record `sequence` of `key`; read back by `key_and_sequence`."""
    return f"{key}:{sequence:08d}".encode()


def key_and_sequence(value: bytes) -> tuple[str, int]:
    key, _, sequence = value.decode().rpartition(":")
    return key, int(sequence)


def problems(evidence: Evidence) -> list[str]:
    """Messages about every fault; empty if nothing was lost, doubled or disordered."""
    return [
        *_told("lost", _lost(evidence)),
        *_told("stored twice", _duplicates(evidence)),
        *_told("in the log without being acknowledged", _foreign(evidence)),
        *_told("out of order", _disordered(evidence.log)),
        *_told("not dense", _gaps(evidence)),
        *_told("read differently by a follower", _misread(evidence)),
        *_told("not at the end", _behind(evidence)),
    ]


def _told(kind: str, found: Iterable[str]) -> list[str]:
    every = list(found)
    more = [f"{kind}: and {len(every) - _TOLD_MAX} more"] if len(every) > _TOLD_MAX else []
    return [f"{kind}: {one}" for one in every[:_TOLD_MAX]] + more


def _lost(evidence: Evidence) -> Iterable[str]:
    values = _by_place(evidence.log)
    for partition, offset, value in evidence.acknowledged:
        found = values.get((partition, offset))
        if found != value:
            yield f"{value!r}, acknowledged at {partition}/{offset}, where {found!r} is"


def _duplicates(evidence: Evidence) -> Iterable[str]:
    for value, count in Counter(one.value for one in evidence.log).items():
        if count > 1:
            places = [f"{one.partition}/{one.offset}" for one in evidence.log if one.value == value]
            yield f"{value!r} at {', '.join(places)}"


def _foreign(evidence: Evidence) -> Iterable[str]:
    known = {one.value for one in evidence.acknowledged} | evidence.unknown
    return (f"{one}" for one in evidence.log if one.value not in known)


def _disordered(log: Sequence[Stored]) -> Iterable[str]:
    """Sequences of a key grow within its partition, and a key has one partition."""
    last: dict[str, tuple[int, int]] = {}
    for partition, offset, value in sorted(log):
        key, sequence = key_and_sequence(value)
        in_partition, before = last.get(key, (partition, -1))
        if in_partition != partition or sequence <= before:
            yield f"{value!r} at {partition}/{offset} after {before} in {in_partition}"
        last[key] = (partition, sequence)


def _gaps(evidence: Evidence) -> Iterable[str]:
    for partition, (start, end) in evidence.bounds.items():
        offsets = [one.offset for one in evidence.log if one.partition == partition]
        if offsets != list(range(start, end)):
            missing = sorted(set(range(start, end)).symmetric_difference(offsets))
            yield f"partition {partition} from {start} to {end}: see offsets {missing[:_TOLD_MAX]}"


def _misread(evidence: Evidence) -> Iterable[str]:
    values = _by_place(evidence.log)
    for name, read in evidence.followed.items():
        for partition, offset, value in read:
            if (now := values.get((partition, offset))) != value:
                yield f"{name} read {value!r} at {partition}/{offset}, where {now!r} is now"


def _behind(evidence: Evidence) -> Iterable[str]:
    """Each follower read every offset of every partition once, up to the end."""
    for name, read in evidence.followed.items():
        for partition, (start, end) in evidence.bounds.items():
            offsets = [one.offset for one in read if one.partition == partition]
            if offsets != list(range(start, end)):
                yield f"{name} read {len(offsets)} of {end - start} records of {partition}"


def _by_place(records: Iterable[Stored]) -> dict[tuple[int, int], bytes]:
    return {(record.partition, record.offset): record.value for record in records}

"""Invariants of a log after any fault: pure functions of what clients recorded.

Producers number the records of each key from 0 and put both into the value (`value_of`). They are
idempotent with acks=all. So each record must be in the log once, at the offset that was
acknowledged, and in the order of its key.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

#: Problems of one kind that are listed; a lost log would fill the terminal.
_LISTED_MAX = 5


class Stored(NamedTuple):
    """A record and its position, at which it was acknowledged or read."""

    partition: int
    offset: int
    value: bytes


@dataclass(slots=True)
class Evidence:
    """Everything that the clients recorded."""

    #: Delivery reports without an error.
    acknowledged: Sequence[Stored]
    #: The entire log, read from the beginning after the last acknowledgement.
    log: Sequence[Stored]
    #: Earliest and next offset by partition, as the broker reports them at the end.
    bounds: Mapping[int, tuple[int, int]]
    #: Records that each follower read during the load, by name.
    followed: Mapping[str, Sequence[Stored]] = field(default_factory=dict)
    #: Values of records in flight: each is in the log once, or not.
    unknown: frozenset[bytes] = frozenset()


def value_of(key: str, sequence: int) -> bytes:
    """Returns the value of the record `sequence` of `key`, which `key_and_sequence` parses."""
    return f"{key}:{sequence:08d}".encode()


def key_and_sequence(value: bytes) -> tuple[str, int]:
    key, _, sequence = value.decode().rpartition(":")
    return key, int(sequence)


def problems(evidence: Evidence) -> list[str]:
    """Returns messages about lost, duplicate, unknown and reordered records; empty if none."""
    return [
        *_list_problems("lost", _lost(evidence)),
        *_list_problems("stored twice", _duplicates(evidence)),
        *_list_problems("in the log without being acknowledged", _foreign(evidence)),
        *_list_problems("out of order", _disordered(evidence.log)),
        *_list_problems("not dense", _gaps(evidence)),
        *_list_problems("read differently by a follower", _misread(evidence)),
        *_list_problems("not at the end", _behind(evidence)),
    ]


def _list_problems(kind: str, problems: Iterable[str]) -> list[str]:
    texts = list(problems)
    rest = [f"{kind}: and {len(texts) - _LISTED_MAX} more"] if len(texts) > _LISTED_MAX else []
    return [f"{kind}: {text}" for text in texts[:_LISTED_MAX]] + rest


def _lost(evidence: Evidence) -> Iterable[str]:
    values = _by_position(evidence.log)
    for partition, offset, value in evidence.acknowledged:
        found = values.get((partition, offset))
        if found != value:
            yield f"{value!r}, acknowledged at {partition}/{offset}, where {found!r} is"


def _duplicates(evidence: Evidence) -> Iterable[str]:
    for value, count in Counter(record.value for record in evidence.log).items():
        if count > 1:
            positions = [
                f"{record.partition}/{record.offset}"
                for record in evidence.log
                if record.value == value
            ]
            yield f"{value!r} at {', '.join(positions)}"


def _foreign(evidence: Evidence) -> Iterable[str]:
    known = {record.value for record in evidence.acknowledged} | evidence.unknown
    return (f"{record}" for record in evidence.log if record.value not in known)


def _disordered(log: Sequence[Stored]) -> Iterable[str]:
    """Checks that the sequences of a key grow, and that a key stays in one partition."""
    last: dict[str, tuple[int, int]] = {}
    for partition, offset, value in sorted(log):
        key, sequence = key_and_sequence(value)
        in_partition, before = last.get(key, (partition, -1))
        if in_partition != partition or sequence <= before:
            yield f"{value!r} at {partition}/{offset} after {before} in {in_partition}"
        last[key] = (partition, sequence)


def _gaps(evidence: Evidence) -> Iterable[str]:
    for partition, (start, end) in evidence.bounds.items():
        offsets = [record.offset for record in evidence.log if record.partition == partition]
        if offsets != list(range(start, end)):
            missing = sorted(set(range(start, end)).symmetric_difference(offsets))
            listed = missing[:_LISTED_MAX]
            yield f"partition {partition} from {start} to {end}: see offsets {listed}"


def _misread(evidence: Evidence) -> Iterable[str]:
    values = _by_position(evidence.log)
    for name, read in evidence.followed.items():
        for partition, offset, value in read:
            if (now := values.get((partition, offset))) != value:
                yield f"{name} read {value!r} at {partition}/{offset}, where {now!r} is now"


def _behind(evidence: Evidence) -> Iterable[str]:
    """Checks that each follower read every offset of every partition once, up to the end."""
    for name, read in evidence.followed.items():
        for partition, (start, end) in evidence.bounds.items():
            offsets = [record.offset for record in read if record.partition == partition]
            if offsets != list(range(start, end)):
                yield f"{name} read {len(offsets)} of {end - start} records of {partition}"


def _by_position(records: Iterable[Stored]) -> dict[tuple[int, int], bytes]:
    return {(record.partition, record.offset): record.value for record in records}

"""Markers: in each column family the number of the last group of the journal that its files have.

A marker is the last row of a memtable, written before that is flushed. In a family of batches it is
in the key range of the open generation, so that files of different generations still do not
overlap; the newest generation has the marker that counts.
"""

from partition_svc.store.atomic_write import PUT, STATE, Changes
from partition_svc.store.keys import COMPACTED_BIT, MARKER, pack_u32, pack_u64


def marker(family: int, sequence: int, generation: int) -> Changes:
    """The marker for a memtable whose last group is `sequence`, written in `generation`."""
    return family, PUT, [marker_key(family, generation), pack_u64(sequence)]


def marker_key(family: int, generation: int) -> bytes:
    """Key of the marker; all batches of the generation follow it."""
    if family == STATE:
        return MARKER
    return pack_u32(generation if family == STATE + 1 else generation | COMPACTED_BIT)

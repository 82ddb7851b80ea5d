"""Keys and values of a partition service's store. All integers are big-endian.

Column family `batches`: the logs themselves.

    generation u32 | topic id 16 | partition u32 | last offset u64  →  v2 record batch, as sent

    A *generation* is what one memtable holds. It grows whenever the memtables are flushed, so no
    two SST files overlap and compaction has nothing to merge: files are moved, not rewritten.
    Within a generation a seek to (log, offset) lands on the batch that contains the offset.

Column family `compacted`: the same for segments of compacted topics, whose batches change after
they were written. Their generations have the highest bit set; files of several may overlap.

Column family `default`: small rows of state, `log` being topic id 16 | partition u32.

    "C"                               →  cluster id, text
    "V"                               →  incarnation u64, then the volume id, text
    "O"                               →  volume state, JSON: see `stored_volume.py`
    "G" | generation u32              →  bytes appended u64, bytes deleted u64
    "H" | log                         →  head: see LogHead
    "S" | log | base offset u64       →  segment: generation u32, bytes of the log before it u64;
                                         a log may have several in one generation
    "T" | log | timestamp u64 | last offset u64  →  (empty) time index: no record up to and
                                         including that offset has a larger timestamp
    "P" | log | producer id u64       →  producer state, in the format of `log/producers`
    "E" | log | leader epoch u64      →  offset of the first batch of that epoch, u64
    "K" | log                         →  offset up to which the log is compacted, u64
    "D" | generation u32 | log        →  (empty) a deleted log whose batches of that generation are
                                         still in files: see `reclaiming`
    "I" | log                         →  the log is the copy of a move: see `CopyMarker`
    "J"                               →  number of the last group of the journal that changed this
                                         family, u64; in the families of batches, the same under
                                         the key generation u32, for each generation

A log's rows of state are in the same atomic write as the batches that they describe.
"""

import struct
from typing import Final, NamedTuple

BATCHES: Final = "batches"
COMPACTED_BATCHES: Final = "compacted"

#: Set in the generations of segments that are in the family `compacted`.
COMPACTED_BIT: Final = 1 << 31

CLUSTER_ID: Final = b"C"
VOLUME: Final = b"V"
VOLUME_STATE: Final = b"O"
GENERATIONS: Final = b"G"
DEAD: Final = b"D"
HEADS: Final = b"H"
INCOMING: Final = b"I"
COMPACTED: Final = b"K"
PRODUCERS: Final = b"P"
MARKER: Final = b"J"

#: Kinds of rows whose key continues with a log.
KINDS_OF_LOGS: Final = (HEADS, b"S", b"T", PRODUCERS, b"E", COMPACTED, INCOMING)

#: Kinds of rows, few of each, that are copied when a log moves; its new owner makes the others.
#: Producers are copied as well, and may be very many.
FEW_MOVED_KINDS: Final = (b"E", COMPACTED)
MOVED_KINDS: Final = (PRODUCERS, *FEW_MOVED_KINDS)

LOG_KEY_BYTES: Final = 20
GENERATION_BYTES: Final = 4
#: Larger than any offset, timestamp or producer id; those are never negative here.
LAST: Final = (1 << 63) - 1

_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
_LOG: Final = struct.Struct(">16sI")
_GENERATION_PREFIX: Final = struct.Struct(">I20s")
_GENERATION_ROW: Final = struct.Struct(">QQ")
_SEGMENT: Final = struct.Struct(">IQ")
_TIME: Final = struct.Struct(">c20sQQ")
_HEAD: Final = struct.Struct(">QQQqqqq")
#: The format of release 0.1, without epochs.
_OLD_HEAD: Final = struct.Struct(">QQQqq")
_INCOMING: Final = struct.Struct(">Qq?")
_CODED: Final = struct.Struct(">c20sQ")

pack_u32 = _U32.pack
pack_u64 = _U64.pack
#: A row of `LogHead`, whose fields it takes in their order.
pack_head = _HEAD.pack
#: A row of `GenerationBytes`, as well.
pack_generation = _GENERATION_ROW.pack


class LogHead(NamedTuple):
    """State of a log that opening it needs, in one row.

    `max_timestamp` is the largest so far and `max_timestamp_offset` the last offset of the first
    batch that has it; both are -1 in a log without timestamps. `leader_epoch` is that of the newest
    batch. No append is taken under `fence_epoch` or a lower one. Both are -1 where there is none.
    """

    log_start_offset: int = 0
    next_offset: int = 0
    size_bytes: int = 0
    max_timestamp: int = -1
    max_timestamp_offset: int = -1
    leader_epoch: int = -1
    fence_epoch: int = -1

    def pack(self) -> bytes:
        return _HEAD.pack(*self)

    @classmethod
    def unpack(cls, row: bytes) -> "LogHead":
        return cls(*(_OLD_HEAD if len(row) == _OLD_HEAD.size else _HEAD).unpack(row))


class CopyMarker(NamedTuple):
    """Marker of an incoming copy: its move, its leader epoch, and whether it is complete."""

    move_id: int
    leader_epoch: int
    is_whole: bool = False

    def pack(self) -> bytes:
        return _INCOMING.pack(*self)

    @classmethod
    def unpack(cls, row: bytes) -> "CopyMarker":
        return cls(*_INCOMING.unpack(row))


class GenerationBytes(NamedTuple):
    """Bytes appended in a generation, and how many of them are deleted."""

    appended: int
    deleted: int

    def pack(self) -> bytes:
        return _GENERATION_ROW.pack(*self)

    @classmethod
    def unpack(cls, row: bytes) -> "GenerationBytes":
        return cls(*_GENERATION_ROW.unpack(row))


def log_key(topic_id: bytes, partition: int) -> bytes:
    """The 20 bytes that identify a log in all keys."""
    return _LOG.pack(topic_id, partition)


def log_id(key: bytes) -> tuple[bytes, int]:
    """Topic id and partition of a `log_key`."""
    topic_id, partition = _LOG.unpack(key)
    return topic_id, partition


def batch_prefix(generation: int, log: bytes) -> bytes:
    """Key prefix of a log's batches in a generation; `pack_u64(last_offset)` follows."""
    return _GENERATION_PREFIX.pack(generation, log)


def family_of(batch_key: bytes) -> int:
    """Index of a batch's column family in `Database.batch_families`."""
    return batch_key[0] >> 7


def generation_key(generation: int) -> bytes:
    return GENERATIONS + generation.to_bytes(4, "big")


def generation_start(generation: int) -> bytes:
    """The first key of a generation in `batches`."""
    return generation.to_bytes(4, "big")


def dead_key(generation: int, log: bytes) -> bytes:
    return DEAD + batch_prefix(generation, log)


def dead_range(first: int, last: int) -> tuple[bytes, bytes]:
    """Key range [start, end) of the dead logs of generations."""
    return DEAD + generation_start(first), DEAD + generation_start(last + 1)


def head_key(log: bytes) -> bytes:
    return HEADS + log


def segment_key(log: bytes, base_offset: int) -> bytes:
    return _CODED.pack(b"S", log, base_offset)


def pack_segment(generation: int, bytes_before: int) -> bytes:
    return _SEGMENT.pack(generation, bytes_before)


def unpack_segment(row: bytes) -> tuple[int, int]:
    """Returns the generation, and the bytes of the log before the segment."""
    generation, bytes_before = _SEGMENT.unpack(row)
    return generation, bytes_before


def time_key(log: bytes, timestamp: int, last_offset: int) -> bytes:
    return _TIME.pack(b"T", log, timestamp, last_offset)


def unpack_time_key(key: bytes) -> tuple[int, int]:
    """Returns timestamp and last offset."""
    _, _, timestamp, last_offset = _TIME.unpack(key)
    return timestamp, last_offset


def producer_key(log: bytes, producer_id: int) -> bytes:
    return _CODED.pack(PRODUCERS, log, producer_id)


def epoch_key(log: bytes, leader_epoch: int) -> bytes:
    return _CODED.pack(b"E", log, leader_epoch)


def incoming_key(log: bytes) -> bytes:
    return INCOMING + log


def compacted_key(log: bytes) -> bytes:
    return COMPACTED + log


def numbered(key: bytes) -> int:
    """Returns the number at the end of a segment, producer or epoch key."""
    return int.from_bytes(key[-8:], "big")


def ranges_of(log: bytes) -> list[tuple[bytes, bytes]]:
    """Key ranges [start, end) of all rows of state of a log, except its head."""
    return [range_of(kind, log) for kind in (b"S", b"T", INCOMING, *MOVED_KINDS)]


def range_of(kind: bytes, log: bytes) -> tuple[bytes, bytes]:
    """[start, end) of the rows of one kind."""
    return kind + log, kind + log + b"\xff" * 17

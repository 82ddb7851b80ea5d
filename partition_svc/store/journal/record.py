"""Records of the journal: one for each atomic write, with a checksum over all of it.

    CRC-32C u32 | length u32 | sequence number u64 | epoch u32 | generation u32 | body

`length` is that of the body. The checksum covers everything but itself. The body:

    number of runs u16, then for each: family u8, kind u8, number of parts u32
    length of each part u32
    the parts, one after another

A run is a `Changes`: consecutive changes of one kind in one column family. All integers are
big-endian. The length is never zero, so zeros, as in space that was only allocated, are no record.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from crc32c import crc32c

from partition_svc.store.atomic_write import Changes

_HEAD: Final = struct.Struct(">IQII")
_CRC: Final = struct.Struct(">I")
HEADER_BYTES: Final = _CRC.size + _HEAD.size
_RUN_COUNT: Final = struct.Struct(">H")
_RUN: Final = struct.Struct(">BBI")

#: Parts of at least this size on average are not copied to be written.
_LARGE_PART_BYTES: Final = 4 << 10
#: Buffers of one `pwritev` (IOV_MAX of Linux is 1024).
_BUFFERS_MAX: Final = 1000


class ChangeGroup(NamedTuple):
    """One record: the changes of an atomic write in the generation that was open then."""

    sequence: int
    epoch: int
    generation: int
    changes: Sequence[Changes]


def encode(
    sequence: int, epoch: int, generation: int, changes: Sequence[Changes]
) -> tuple[list[bytes], int]:
    """Encodes a group; returns buffers to be written one after another, and their size.

    Large parts are not copied.
    """
    runs: list[int] = []
    parts: list[bytes] = []
    for family, kind, run in changes:
        if run:
            runs += family, kind, len(run)
            parts += run
    lengths = [*map(len, parts)]
    run_count, count = len(runs) // 3, len(lengths)
    data_bytes = sum(lengths)
    size = _RUN_COUNT.size + _RUN.size * run_count + 4 * count + data_bytes
    # `struct` keeps the last hundred formats compiled.
    head = struct.pack(
        f">IQIIH{'BBI' * run_count}{count}I",
        *(size, sequence, epoch, generation, run_count),
        *runs,
        *lengths,
    )
    if data_bytes < _LARGE_PART_BYTES * count or count > _BUFFERS_MAX:
        data = b"".join((head, *parts))
        return [_CRC.pack(crc32c(data)), data], HEADER_BYTES + size
    checksum = crc32c(head)
    for part in parts:
        checksum = crc32c(part, checksum)
    return [_CRC.pack(checksum) + head, *parts], HEADER_BYTES + size


class RecordHead(NamedTuple):
    """The fixed part of a record. `size_bytes`: of the body that follows."""

    checksum: int
    size_bytes: int
    sequence: int
    epoch: int
    generation: int

    @classmethod
    def unpack(cls, data: bytes) -> "RecordHead":
        return cls(*_CRC.unpack_from(data), *_HEAD.unpack_from(data, _CRC.size))


def decode(head: bytes, body: bytes) -> ChangeGroup | None:
    """Decodes a record; None if it is not whole or damaged."""
    fields = RecordHead.unpack(head)
    if len(body) != fields.size_bytes or crc32c(body, crc32c(head[_CRC.size :])) != fields.checksum:
        return None
    return ChangeGroup(fields.sequence, fields.epoch, fields.generation, _decode_changes(body))


def _decode_changes(body: bytes) -> list[Changes]:
    (run_count,) = _RUN_COUNT.unpack_from(body)
    position = _RUN_COUNT.size
    runs = [_RUN.unpack_from(body, position + n * _RUN.size) for n in range(run_count)]
    position += run_count * _RUN.size
    part_count = sum(count for _, _, count in runs)
    lengths = struct.unpack_from(f">{part_count}I", body, position)
    position += 4 * part_count
    parts = []
    for length in lengths:
        parts.append(body[position : position + length])
        position += length
    changes: list[Changes] = []
    first = 0
    for family, kind, count in runs:
        changes.append((family, kind, parts[first : first + count]))
        first += count
    return changes

"""Chunks of a batch of changes, and their encoding.

A chunk is a sequence of changes; each is the length of its key (4 bytes), the length of its value
(4 bytes, all ones: deleted), the key, the value. Numbers are big-endian.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from common.kv.store import KvStoreFailed

#: A key and its new value; None means deleted.
Change = tuple[bytes, bytes | None]

_HEAD: Final = struct.Struct(">II")
_DELETED: Final = 0xFFFFFFFF


def chunks(
    changes: Mapping[bytes, bytes | None], *, operations: int, size: int
) -> Iterator[list[Change]]:
    """Splits `changes` into chunks of at most `operations` changes and `size` bytes.

    Raises:
        KvStoreFailed: a single change has more than `size` bytes.
    """
    chunk: list[Change] = []
    room = size
    for change in changes.items():
        needed = _size(change)
        if needed > size:
            raise KvStoreFailed(f"{needed} bytes under one key; the store accepts {size}")
        if needed > room or len(chunk) == operations:
            yield chunk
            chunk, room = [], size
        chunk.append(change)
        room -= needed
    if chunk:
        yield chunk


def encode_chunk(changes: Sequence[Change]) -> bytes:
    parts: list[bytes] = []
    for key, value in changes:
        parts += (
            _HEAD.pack(len(key), _DELETED if value is None else len(value)),
            key,
            value or b"",
        )
    return b"".join(parts)


def decode_chunk(data: bytes) -> list[Change]:
    """Decodes the result of `encode_chunk`, which etcd has kept."""
    changes: list[Change] = []
    position = 0
    while position < len(data):
        key_length, value_length = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        key = data[position : position + key_length]
        position += key_length
        if value_length == _DELETED:
            changes.append((key, None))
        else:
            changes.append((key, data[position : position + value_length]))
            position += value_length
    return changes


def _size(change: Change) -> int:
    key, value = change
    return _HEAD.size + len(key) + len(value or b"")

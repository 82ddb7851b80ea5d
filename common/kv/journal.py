"""A batch of changes cut into chunks, and a chunk as bytes.

A chunk is a sequence of changes; each is the length of its key (4 bytes), the length of its value
(4 bytes, all ones: deleted), the key, the value. Numbers are big-endian.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from common.kv.store import KvStoreFailed

#: A key and its new value; None: deleted.
Change = tuple[bytes, bytes | None]

_HEAD: Final = struct.Struct(">II")
_DELETED: Final = 0xFFFFFFFF


def chunks(
    changes: Mapping[bytes, bytes | None], *, operations: int, size: int
) -> Iterator[list[Change]]:
    """Cuts `changes` so that no chunk has more than `operations` of them, or `size` bytes.

    Raises:
        KvStoreFailed: a change alone has more than `size` bytes.
    """
    chunk: list[Change] = []
    room = size
    for change in changes.items():
        needed = _size(change)
        if needed > size:
            raise KvStoreFailed(f"{needed} bytes under one key; the store takes {size}")
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
    """The reverse. What it is given was written by `encode_chunk` and kept by etcd."""
    changes: list[Change] = []
    at = 0
    while at < len(data):
        key_length, value_length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        key = data[at : at + key_length]
        at += key_length
        if value_length == _DELETED:
            changes.append((key, None))
        else:
            changes.append((key, data[at : at + value_length]))
            at += value_length
    return changes


def _size(change: Change) -> int:
    key, value = change
    return _HEAD.size + len(key) + len(value or b"")

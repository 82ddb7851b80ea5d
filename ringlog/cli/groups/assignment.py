"""Which partitions a member was given: Kafka's ConsumerProtocolAssignment.

version int16, then [topic string, [partition int32]], then the assignor's bytes.
"""

from struct import Struct, error
from typing import Final

_VERSION: Final = Struct(">h")
_COUNT: Final = Struct(">i")
_LENGTH: Final = Struct(">h")


def assigned_partitions(assignment: bytes) -> list[tuple[str, int]]:
    """Topics and partitions; none for bytes that are another protocol's."""
    try:
        return _read(assignment)
    except (error, UnicodeDecodeError):
        return []


def _read(assignment: bytes) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    (topics,) = _COUNT.unpack_from(assignment, _VERSION.size)
    at = _VERSION.size + _COUNT.size
    for _ in range(topics):
        (length,) = _LENGTH.unpack_from(assignment, at)
        at += _LENGTH.size
        if length < 0:
            return []
        topic = assignment[at : at + length].decode()
        at += length
        (count,) = _COUNT.unpack_from(assignment, at)
        at += _COUNT.size
        for _ in range(count):
            (partition,) = _COUNT.unpack_from(assignment, at)
            found.append((topic, partition))
            at += _COUNT.size
    return found

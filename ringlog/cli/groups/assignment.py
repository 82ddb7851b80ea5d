"""The assignment of a classic consumer: Kafka's ConsumerProtocolAssignment.

version int16, then [topic string, [partition int32]], then the assignor's bytes.
"""

from struct import Struct, error
from typing import Final

_VERSION: Final = Struct(">h")
_COUNT: Final = Struct(">i")
_LENGTH: Final = Struct(">h")


def assigned_partitions(assignment: bytes) -> list[tuple[str, int]]:
    """Returns topics and partitions; none if the bytes are of another protocol."""
    try:
        return _read(assignment)
    except (error, UnicodeDecodeError):
        return []


def _read(assignment: bytes) -> list[tuple[str, int]]:
    partitions: list[tuple[str, int]] = []
    (topics,) = _COUNT.unpack_from(assignment, _VERSION.size)
    position = _VERSION.size + _COUNT.size
    for _ in range(topics):
        (length,) = _LENGTH.unpack_from(assignment, position)
        position += _LENGTH.size
        if length < 0:
            return []
        topic = assignment[position : position + length].decode()
        position += length
        (count,) = _COUNT.unpack_from(assignment, position)
        position += _COUNT.size
        for _ in range(count):
            (partition,) = _COUNT.unpack_from(assignment, position)
            partitions.append((topic, partition))
            position += _COUNT.size
    return partitions

"""Which partition of `__consumer_offsets` a group belongs to: as in Apache Kafka.

`Utils.abs(groupId.hashCode()) % partitions` of GroupCoordinatorService.partitionFor, so that tools
that read the topic find groups where they expect them.
"""

from functools import lru_cache
from operator import mul
from typing import Final

_HASH_MASK: Final = 0xFFFFFFFF
_SIGN: Final = 1 << 31
_SHORT_BYTES: Final = 200
_LANES: Final = 64
_ROW_BYTES: Final = 8 * _LANES
#: Of 31, for each lane and from row to row.
_POWERS: Final = [pow(31, _LANES - 1 - at, 1 << 32) for at in range(_LANES)]
_ROW_POWER: Final = pow(31, _LANES, 1 << 32)
_LANE_MASKS: Final = int.from_bytes(_HASH_MASK.to_bytes(8, "little") * _LANES, "little")

#: Each call about a group asks twice for its hash. Longer ids are rare and not kept.
_KEPT_IDS: Final = 4096
_KEPT_ID_CHARACTERS: Final = 256


def group_partition(group_id: str, partition_count: int) -> int:
    """The index of the group's partition among `partition_count`, which is 1 or more."""
    hash_of = _java_hash if len(group_id) > _KEPT_ID_CHARACTERS else _kept_hash
    return _abs(hash_of(group_id)) % partition_count


@lru_cache(maxsize=_KEPT_IDS)
def _kept_hash(text: str) -> int:
    return _java_hash(text)


def _java_hash(text: str) -> int:
    """java.lang.String.hashCode as an unsigned number: over UTF-16 code units."""
    encoded = text.encode("utf-16-le", "surrogatepass")
    if len(encoded) > _SHORT_BYTES:
        return _long_hash(encoded)
    value = 0
    for at in range(0, len(encoded), 2):
        value = (31 * value + (encoded[at] | encoded[at + 1] << 8)) & _HASH_MASK
    return value


def _long_hash(encoded: bytes) -> int:
    """The same for many code units, little-endian, in a twelfth of the time or less.

    The hash is a polynomial in 31. `_LANES` of them are evaluated side by side, each in 64 bits of
    one large integer, so that `_LANES` units cost a few operations together.
    """
    # Zeros in front change nothing, and make whole rows.
    missing = -(len(encoded) // 2) % _LANES
    rows = bytearray(8 * (missing + len(encoded) // 2))
    rows[8 * missing :: 8] = encoded[::2]
    rows[8 * missing + 1 :: 8] = encoded[1::2]
    lanes = 0
    for at in range(0, len(rows), _ROW_BYTES):
        row = int.from_bytes(rows[at : at + _ROW_BYTES], "little")
        # No lane exceeds 64 bits: 32 times 32 bits, and 16 more.
        lanes = (lanes * _ROW_POWER & _LANE_MASKS) + row & _LANE_MASKS
    values = memoryview(lanes.to_bytes(_ROW_BYTES, "little")).cast("Q")
    value: int = sum(map(mul, values, _POWERS))
    return value & _HASH_MASK


def _abs(value: int) -> int:
    """Utils.abs of Apache Kafka: the one number that has no positive counterpart becomes 0."""
    if value == _SIGN:
        return 0
    return (1 << 32) - value if value & _SIGN else value

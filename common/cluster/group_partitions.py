"""The partition of `__consumer_offsets` that a group belongs to, as in Apache Kafka.

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
#: Powers of 31: one for each lane, and the one from row to row.
_POWERS: Final = [pow(31, _LANES - 1 - lane, 1 << 32) for lane in range(_LANES)]
_ROW_POWER: Final = pow(31, _LANES, 1 << 32)
_LANE_MASKS: Final = int.from_bytes(_HASH_MASK.to_bytes(8, "little") * _LANES, "little")

#: Each call for a group needs its hash twice. Longer ids are rare and not cached.
_CACHED_IDS: Final = 4096
_CACHED_ID_CHARACTERS: Final = 256


def group_partition(group_id: str, partition_count: int) -> int:
    """Returns the index of the group's partition; `partition_count` is 1 or more."""
    hash_of = _java_hash if len(group_id) > _CACHED_ID_CHARACTERS else _cached_hash
    return _abs(hash_of(group_id)) % partition_count


@lru_cache(maxsize=_CACHED_IDS)
def _cached_hash(text: str) -> int:
    return _java_hash(text)


def _java_hash(text: str) -> int:
    """Returns java.lang.String.hashCode, over UTF-16 code units, as an unsigned number."""
    encoded = text.encode("utf-16-le", "surrogatepass")
    if len(encoded) > _SHORT_BYTES:
        return _long_hash(encoded)
    value = 0
    for low in range(0, len(encoded), 2):
        value = (31 * value + (encoded[low] | encoded[low + 1] << 8)) & _HASH_MASK
    return value


def _long_hash(encoded: bytes) -> int:
    """Returns the same for many code units, little-endian, in a twelfth of the time or less.

    The hash is a polynomial in 31. `_LANES` such polynomials are evaluated in parallel, each in 64
    bits of one large integer, so that `_LANES` units together cost a few operations.
    """
    # Leading zeros change nothing, and fill the first row.
    missing = -(len(encoded) // 2) % _LANES
    rows = bytearray(8 * (missing + len(encoded) // 2))
    rows[8 * missing :: 8] = encoded[::2]
    rows[8 * missing + 1 :: 8] = encoded[1::2]
    lanes = 0
    for start in range(0, len(rows), _ROW_BYTES):
        row = int.from_bytes(rows[start : start + _ROW_BYTES], "little")
        # No lane exceeds 64 bits: 32 times 32 bits, and 16 more.
        lanes = (lanes * _ROW_POWER & _LANE_MASKS) + row & _LANE_MASKS
    values = memoryview(lanes.to_bytes(_ROW_BYTES, "little")).cast("Q")
    value: int = sum(map(mul, values, _POWERS))
    return value & _HASH_MASK


def _abs(value: int) -> int:
    """Returns Utils.abs of Apache Kafka: the one number without a positive counterpart is 0."""
    if value == _SIGN:
        return 0
    return (1 << 32) - value if value & _SIGN else value

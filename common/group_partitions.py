"""Which partition of `__consumer_offsets` a group belongs to: as in Apache Kafka.

`Utils.abs(groupId.hashCode()) % partitions` of GroupCoordinatorService.partitionFor, so that tools
that read the topic find groups where they expect them.
"""

from functools import lru_cache
from typing import Final

_HASH_MASK: Final = 0xFFFFFFFF
_SIGN: Final = 1 << 31

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
    encoded = text.encode("utf-16-be", "surrogatepass")
    value = 0
    for at in range(0, len(encoded), 2):
        value = (31 * value + (encoded[at] << 8 | encoded[at + 1])) & _HASH_MASK
    return value


def _abs(value: int) -> int:
    """Utils.abs of Apache Kafka: the one number that has no positive counterpart becomes 0."""
    if value == _SIGN:
        return 0
    return (1 << 32) - value if value & _SIGN else value

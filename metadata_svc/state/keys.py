"""Keys of the metadata store, and values other than rows.

    key              value
    f                format of this layout: FORMAT, as text
    c                cluster id, as text
    r                revision of the last change, 8 bytes
    i                the first unallocated producer id, 8 bytes
    l                live processes: identities, as JSON (see `registration.py`)
    b                1 while partitions have to move after a change of the ring, else 0, as text
    n                the first unallocated move id, 8 bytes
    m<member name>   a partition service: see `rows.py`
    s<member name>   the name of the member's `RingState`
    t<topic name>    a topic with configs and initial placement: see `rows.py`
    p<topic id><partition>  the current placement of a partition if it has changed: see `rows.py`
    v<move id>       a move of a partition: see `rows.py`
    o<member name>   the newest token of the member's volume, as text
    a<member name>   an operator accepted the member's next volume, with any token: empty
    d<revision><topic id>  a topic that was deleted in that revision: empty
    x<volume id>     a volume that was declared lost: the member that had it, as text

Numbers are big-endian, topic ids 16 bytes, partitions 4, move ids 8. A change of placement raises
the leader epoch above 0, so a partition has a row of its own if and only if its epoch is not 0: a
move writes a few bytes, whatever the size of the topic.

Topics are stored by name, so that a name never has two topics, even if a write failed with an
unknown result and was retried with another topic id.
"""

from typing import Final

FORMAT: Final = b"2"

#: The format without ring states, moves and changed placements: all members are in the ring.
FORMAT_BEFORE: Final = b"1"

FORMAT_KEY: Final = b"f"
CLUSTER_ID_KEY: Final = b"c"
REVISION_KEY: Final = b"r"
PRODUCER_IDS_KEY: Final = b"i"
LIVE_KEY: Final = b"l"
REBALANCING_KEY: Final = b"b"
MOVE_IDS_KEY: Final = b"n"

#: Start and end of all rows of a kind, for scans.
MEMBERS: Final = (b"m", b"n")
RING_STATES: Final = (b"s", b"t")
TOPICS: Final = (b"t", b"u")
PLACEMENTS: Final = (b"p", b"q")
MOVES: Final = (b"v", b"w")
VOLUME_TOKENS: Final = (b"o", b"p")
ACCEPTED_VOLUMES: Final = (b"a", b"b")
DELETED_TOPICS: Final = (b"d", b"e")
LOST_VOLUMES: Final = (b"x", b"y")

_TOPIC_ID_BYTES = 16


def member_key(name: str) -> bytes:
    return MEMBERS[0] + name.encode()


def ring_state_key(name: str) -> bytes:
    return RING_STATES[0] + name.encode()


def member_of(key: bytes) -> str:
    """Returns the member name in a key that has one."""
    return key[1:].decode()


def volume_token_key(name: str) -> bytes:
    return VOLUME_TOKENS[0] + name.encode()


def accepted_volume_key(name: str) -> bytes:
    return ACCEPTED_VOLUMES[0] + name.encode()


def topic_key(name: str) -> bytes:
    return TOPICS[0] + name.encode()


def placement_key(topic_id: bytes, partition: int) -> bytes:
    return PLACEMENTS[0] + topic_id + partition.to_bytes(4, "big")


def partition_of(placement_key: bytes) -> tuple[bytes, int]:
    """Returns topic id and partition."""
    end = 1 + _TOPIC_ID_BYTES
    return placement_key[1:end], int.from_bytes(placement_key[end:], "big")


def move_key(move_id: int) -> bytes:
    return MOVES[0] + encode_number(move_id)


def deleted_topic_key(revision: int, topic_id: bytes) -> bytes:
    return DELETED_TOPICS[0] + encode_number(revision) + topic_id


def topic_id_of(deleted_topic_key: bytes) -> bytes:
    return deleted_topic_key[-_TOPIC_ID_BYTES:]


def lost_volume_key(volume_id: str) -> bytes:
    return LOST_VOLUMES[0] + volume_id.encode()


def volume_of(lost_volume_key: bytes) -> str:
    return lost_volume_key[1:].decode()


def encode_number(number: int) -> bytes:
    return number.to_bytes(8, "big")


def decode_number(value: bytes) -> int:
    return int.from_bytes(value, "big")

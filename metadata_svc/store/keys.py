"""Every key of the metadata store, and the values that are not rows.

    key              value
    f                format of this layout: FORMAT, as text
    c                cluster id, as text
    r                revision of the last change, 8 bytes
    i                the first producer id that was never given away, 8 bytes
    l                who is alive: identities, as JSON (see `registration.py`)
    m<member name>   a partition service: see `rows.py`
    t<topic name>    a topic with placement and configs: see `rows.py`

Numbers are big-endian. Topics are kept under their names, so that one name can never have two: not
even where a write failed half way, and was tried again with another topic id.
"""

from typing import Final

FORMAT: Final = b"1"

FORMAT_KEY: Final = b"f"
CLUSTER_ID_KEY: Final = b"c"
REVISION_KEY: Final = b"r"
PRODUCER_IDS_KEY: Final = b"i"
LIVE_KEY: Final = b"l"

#: Start and end of all members and of all topics, for scans.
MEMBERS: Final = (b"m", b"n")
TOPICS: Final = (b"t", b"u")


def member_key(name: str) -> bytes:
    return MEMBERS[0] + name.encode()


def topic_key(name: str) -> bytes:
    return TOPICS[0] + name.encode()


def encode_number(number: int) -> bytes:
    return number.to_bytes(8, "big")


def decode_number(value: bytes) -> int:
    return int.from_bytes(value, "big")

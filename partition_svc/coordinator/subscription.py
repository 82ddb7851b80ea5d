"""Which topics a consumer subscribes to: the head of Kafka's ConsumerProtocolSubscription.

version int16, topics [string]; later fields are the assignor's (KIP-429, KIP-792).
"""

from struct import Struct, error
from typing import Final

_HEAD: Final = Struct(">hi")
_LENGTH: Final = Struct(">h")


def subscribed_topics(metadata: bytes) -> set[str] | None:
    """None for bytes that are none of ours to read."""
    try:
        version, count = _HEAD.unpack_from(metadata)
        topics, at = set[str](), _HEAD.size
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(metadata, at)
            at += _LENGTH.size
            if length < 0 or at + length > len(metadata):
                return None
            topics.add(metadata[at : at + length].decode())
            at += length
    except (error, UnicodeDecodeError):
        return None
    return topics if version >= 0 else None

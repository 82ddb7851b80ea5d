"""Which names a topic may have, and which two names may not stand beside each other.

The rules are Kafka's (org.apache.kafka.common.internals.Topic): a name becomes part of metric names
there, where '.' turns into '_', so names that differ in nothing else collide.
"""

import re
from typing import Final

TOPIC_NAME_LENGTH_MAX: Final = 249

#: Topics that hold the cluster's own state (Topic.INTERNAL_TOPICS of Apache Kafka).
_INTERNAL_TOPICS: Final = frozenset(
    {"__consumer_offsets", "__transaction_state", "__share_group_state"}
)

_LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)


def is_internal(name: str) -> bool:
    """True where the topic of that name is written by coordinators alone, never by clients."""
    return name in _INTERNAL_TOPICS


def invalid_name_reason(name: str) -> str | None:
    """Why `name` cannot be a topic's name, in words for its user; None where it can."""
    if not name:
        return "Topic name is invalid: it is empty"
    if name in {".", ".."}:
        return f"Topic name is invalid: '{name}' is not allowed"
    if len(name) > TOPIC_NAME_LENGTH_MAX:
        # The name itself stays out of the message: it may be megabytes long.
        return f"Topic name is invalid: {len(name)} characters, at most {TOPIC_NAME_LENGTH_MAX}"
    if _LEGAL_NAME.fullmatch(name) is None:
        return f"Topic name is invalid: '{name}' has characters other than a-z, A-Z, 0-9, . _ -"
    return None


def can_collide(name: str) -> bool:
    """Whether there is any other name that collides with this one."""
    return "." in name or "_" in name


def collision_key(name: str) -> str:
    """Two different names with equal keys collide: `a.b` and `a_b`."""
    return name.replace(".", "_")

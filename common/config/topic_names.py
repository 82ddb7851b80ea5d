"""Valid topic names, and names that collide.

The rules are those of org.apache.kafka.common.internals.Topic: Kafka uses topic names in the names
of metrics, with '_' for '.', so two names with no other difference collide.
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
    """True if only coordinators write the topic of that name, and never clients."""
    return name in _INTERNAL_TOPICS


def invalid_name_reason(name: str) -> str | None:
    """Returns why `name` cannot be the name of a topic, for its user; None if it can."""
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
    """True if another name can collide with this one."""
    return "." in name or "_" in name


def collision_key(name: str) -> str:
    """Returns the key that is equal for names that collide: `a.b` and `a_b`."""
    return name.replace(".", "_")

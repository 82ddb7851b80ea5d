"""Which topics there are for a consumer group's subscriptions, by name and by regular expression.

Expressions are RE2's, as with Kafka's RE2/J: matching takes time linear in a name's length.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

import re2

from common.ports.metadata import Topic

#: Of one compiled expression. What does not fit is refused.
_MEMORY_MAX: Final = 1 << 20
_PATTERNS_KEPT: Final = 256
_HASH_BYTES: Final = 8


class InvalidPattern(ValueError):
    """Not an expression that RE2 takes; the text says why."""


class Topics(Protocol):
    """What there is, as of `revision`. `common.cluster.view.ClusterView` is one."""

    @property
    def revision(self) -> int: ...

    @property
    def topics(self) -> Sequence[Topic]: ...

    def topic(self, name: str) -> Topic | None: ...

    def topic_by_id(self, topic_id: bytes) -> Topic | None: ...


@lru_cache(_PATTERNS_KEPT)
def compiled(expression: str) -> Any:
    """Raises `InvalidPattern`."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_MAX
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise InvalidPattern(reason) from error


def found(topics: Topics, names: Iterable[str], expressions: Iterable[str]) -> dict[str, Topic]:
    """By name, the existing topics among `names` and those that an expression matches wholly."""
    wanted = {name: topics.topic(name) for name in names}
    patterns = [compiled(one) for one in expressions]
    if patterns:
        for topic in topics.topics:
            if any(pattern.fullmatch(topic.name) for pattern in patterns):
                wanted[topic.name] = topic
    return {name: topic for name, topic in wanted.items() if topic is not None}


def metadata_hash(topics: Mapping[str, Topic]) -> int:
    """Of ids and partition counts, as a signed 64-bit number; not 0."""
    digest = hashlib.blake2b(digest_size=_HASH_BYTES)
    for name in sorted(topics):
        topic = topics[name]
        digest.update(topic.topic_id + len(topic.partitions).to_bytes(4, "big"))
    return int.from_bytes(digest.digest(), "big", signed=True) or 1

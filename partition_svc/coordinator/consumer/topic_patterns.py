"""Topics that match the subscriptions of a consumer group, by name and by regular expression.

Expressions are RE2's, as with Kafka's RE2/J: matching takes time linear in a name's length.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

import re2

from common.ports.metadata import Topic

#: Limit for one compiled expression, in bytes; a larger one is rejected.
_MEMORY_MAX: Final = 1 << 20
_PATTERNS_KEPT: Final = 256
_HASH_BYTES: Final = 8


class InvalidPattern(ValueError):
    """Raised for an expression that RE2 rejects; the text is the reason."""


class Topics(Protocol):
    """The existing topics as of `revision`. `common.cluster.view.ClusterView` implements it."""

    @property
    def revision(self) -> int: ...

    @property
    def topics(self) -> Sequence[Topic]: ...

    def topic(self, name: str) -> Topic | None: ...

    def topic_by_id(self, topic_id: bytes) -> Topic | None: ...


@lru_cache(_PATTERNS_KEPT)
def compile_pattern(expression: str) -> Any:
    """Returns the compiled expression. Raises `InvalidPattern`."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_MAX
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        text = error.args[0] if error.args else b""
        reason = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        raise InvalidPattern(reason) from error


def matching_topics(
    topics: Topics, names: Iterable[str], expressions: Iterable[str]
) -> dict[str, Topic]:
    """Returns existing topics by name: those of `names`, and full matches of an expression."""
    found = {name: topics.topic(name) for name in names}
    patterns = [compile_pattern(expression) for expression in expressions]
    if patterns:
        for topic in topics.topics:
            if any(pattern.fullmatch(topic.name) for pattern in patterns):
                found[topic.name] = topic
    return {name: topic for name, topic in found.items() if topic is not None}


def metadata_hash(topics: Mapping[str, Topic]) -> int:
    """Returns a hash of ids and partition counts: a signed 64-bit number other than 0."""
    digest = hashlib.blake2b(digest_size=_HASH_BYTES)
    for name in sorted(topics):
        topic = topics[name]
        digest.update(topic.topic_id + len(topic.partitions).to_bytes(4, "big"))
    return int.from_bytes(digest.digest(), "big", signed=True) or 1

"""Known differences from Apache Kafka, and their reasons. Every other difference is a fault."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from kio.schema.errors import ErrorCode

from tests.differential.comparison import Mutation
from tests.support.clients.raw_client import (
    API_VERSIONS,
    CREATE_TOPICS,
    DESCRIBE_CONFIGS,
    FETCH,
    METADATA,
    PRODUCE,
)
from tests.support.wire.group_apis import (
    CONSUMER_GROUP_DESCRIBE,
    CONSUMER_GROUP_HEARTBEAT,
    DESCRIBE_GROUPS,
    JOIN_GROUP,
    LIST_GROUPS,
    OFFSET_FETCH,
)

_ANYTHING: Final = object()


@dataclass
class Known:
    """Differences in answers of one API at places that match `path`, with these values."""

    api_key: int
    path: str
    reason: str
    kafka: Any = _ANYTHING
    ringlog: Any = _ANYTHING
    count: int = field(default=0, compare=False)

    def explains(self, api_key: int, version: int, difference: Mutation) -> bool:
        """Counts it where it does."""
        is_explained = (
            api_key == self.api_key
            and re.fullmatch(self.path, difference.path) is not None
            and self.kafka in (_ANYTHING, difference.kafka)
            and self.ringlog in (_ANYTHING, difference.ringlog)
        )
        self.count += is_explained
        return is_explained


def _of_batches(what: str, reason: str) -> Known:
    """Whatever follows from one kind of batch (`test_records.batches`)."""
    return Known(PRODUCE, rf"responses\[(id of )?\w[\w-]*-{what}\]\..*", reason)


_CONFIGS_OF_LATER: Final = (
    r"(errors\.deadletterqueue\.group\.enable|max\.decompressed\.message\.bytes)"
)
_ELR: Final = "Kafka sets min.insync.replicas by itself for eligible leader replicas (KIP-966)"

KNOWN_DIFFERENCES: Final[list[Known]] = [
    # Topics.
    Known(CREATE_TOPICS, rf".*\.configs\[{_CONFIGS_OF_LATER}\]", "has no such config yet"),
    Known(CREATE_TOPICS, r".*\.configs\[min\.insync\.replicas\]\.config_source", _ELR, 3, 5),
    Known(
        METADATA,
        r"topics\[(made|unknown)-\d+\]\.(error_code|partitions.*|topic_id)",
        "a topic that is created by asking for it can be used at once; versions 0-3 always create",
    ),
    # Configs and the cluster.
    Known(DESCRIBE_CONFIGS, rf".*\.configs\[{_CONFIGS_OF_LATER}\]", "has no such config yet"),
    Known(DESCRIBE_CONFIGS, r".*\.configs\[min\.insync\.replicas\].*", _ELR),
    Known(
        DESCRIBE_CONFIGS,
        r".*\.configs\[(node\.id|num\.partitions)\]\.synonyms",
        "defaults: node.id has one here; those of the metadata service are not known to a gateway",
    ),
    Known(DESCRIBE_CONFIGS, r".*\.error_message", "says why also where Kafka does not", ""),
    Known(
        API_VERSIONS, r"api_keys(\[\d+\].*)?", "has fewer APIs, and versions from before Kafka 4"
    ),
    Known(
        API_VERSIONS,
        r"(supported_features|finalized_features).*",
        "features are of KRaft, transactions and share groups",
    ),
    # Groups.
    Known(
        CONSUMER_GROUP_HEARTBEAT,
        r"assignment",
        "is sent again with each new epoch, in case that the response before was lost",
        kafka=None,
    ),
    Known(
        CONSUMER_GROUP_DESCRIBE,
        r"groups\[((upgraded|(static-)?consumers)-\d+|offsets-only)\]\.assignment_epoch",
        "a group without members has nothing to assign",
    ),
    Known(
        DESCRIBE_GROUPS,
        r"groups\[static-\d+\]\.members\[.*\]\.member_assignment",
        "assignments end with their generation, not with the next one's assignments",
        ringlog=b"",
    ),
    Known(
        JOIN_GROUP,
        r"generation_id",
        "epochs of consumer groups begin with 2 in Kafka, and are generations to classic members",
        kafka=3,
        ringlog=2,
    ),
    Known(DESCRIBE_GROUPS, r"groups", "a group that is named twice is answered once"),
    Known(OFFSET_FETCH, r"groups", "a group that is named twice is answered once"),
    Known(
        LIST_GROUPS,
        r"groups\[(deletes|remembers)\]",
        "a group is gone with its last offset; in Kafka when it is looked at",
        ringlog=None,
    ),
    # Records.
    Known(
        PRODUCE,
        r"responses\[(id of )?produced\]",
        "topics without partitions are answered, as OffsetFetch does",
        kafka=None,
    ),
    Known(
        PRODUCE,
        r".*\.error_message",
        "says why also where Kafka does not",
        kafka=None,
    ),
    Known(
        PRODUCE,
        r".*\.log_start_offset",
        "is not sent with an error: clients read it with UNKNOWN_PRODUCER_ID only",
        kafka=0,
        ringlog=-1,
    ),
    Known(
        PRODUCE,
        r".*\.log_append_time",
        "when a batch was stored is not remembered for its duplicates",
        kafka="some time",
        ringlog=None,
    ),
    Known(
        PRODUCE,
        r".*\.error_code",
        "acks that cannot be are refused before any topic is looked up",
        ringlog=ErrorCode.invalid_required_acks,
    ),
    Known(
        FETCH,
        r".*\.aborted_transactions",
        "a partition that no room was left for has none, which Kafka does not say",
        kafka=None,
        ringlog=[],
    ),
    Known(
        FETCH, r"session_id", "has no sessions, which clients learn from id 0 (KIP-227)", ringlog=0
    ),
    _of_batches("offset-of-its-own", "the base offset is the broker's to write, whatever was sent"),
    _of_batches("transactional", "there are no transactions yet"),
    _of_batches("codec-5", "UNSUPPORTED_COMPRESSION_TYPE says more than UNKNOWN_SERVER_ERROR"),
    _of_batches("garbage-in-gzip", "what is compressed is not opened to be stored"),
    _of_batches("negative-time", "times before 1970 are stored as they are"),
    _of_batches("far-future", "record_errors do not name the records yet (KIP-467)"),
    _of_batches("append-time", "record_errors do not name the records yet (KIP-467)"),
    _of_batches("magic-7", "is an invalid record like one of magic 0 or 1, which is not retried"),
    Known(
        FETCH,
        r"responses\[compressed\]\.partitions\[0\]\.records",
        "clients of versions before 10 cannot read zstd (KIP-110)",
    ),
    Known(
        FETCH,
        r"responses\[\w[\w-]*-(offset-of-its-own|garbage-in-gzip|negative-time)\]\..*",
        "the batches were stored",
    ),
]

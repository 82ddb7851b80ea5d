"""Known differences from Apache Kafka, and their reasons. Every other difference is a bug."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from kio.schema.errors import ErrorCode

from tests.differential.comparison import Difference
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
class KnownDifference:
    """Differences in responses of one API, at paths that match `path`, with these values."""

    api_key: int
    path: str
    reason: str
    kafka: Any = _ANYTHING
    ringlog: Any = _ANYTHING
    count: int = field(default=0, compare=False)

    def explains(self, api_key: int, version: int, difference: Difference) -> bool:
        """True if `difference` is this one; counts it then."""
        is_explained = (
            api_key == self.api_key
            and re.fullmatch(self.path, difference.path) is not None
            and self.kafka in (_ANYTHING, difference.kafka)
            and self.ringlog in (_ANYTHING, difference.ringlog)
        )
        self.count += is_explained
        return is_explained


def _in_batches(kind: str, reason: str) -> KnownDifference:
    """Returns the differences in responses to one kind of batch (`test_records.make_batches`)."""
    return KnownDifference(PRODUCE, rf"responses\[(id of )?\w[\w-]*-{kind}\]\..*", reason)


_MISSING_CONFIGS: Final = (
    r"(errors\.deadletterqueue\.group\.enable|max\.decompressed\.message\.bytes)"
)
_ELR: Final = "Kafka sets min.insync.replicas by itself for eligible leader replicas (KIP-966)"

KNOWN_DIFFERENCES: Final[list[KnownDifference]] = [
    # Topics.
    KnownDifference(
        CREATE_TOPICS, rf".*\.configs\[{_MISSING_CONFIGS}\]", "ringlog has no such config yet"
    ),
    KnownDifference(
        CREATE_TOPICS, r".*\.configs\[min\.insync\.replicas\]\.config_source", _ELR, 3, 5
    ),
    KnownDifference(
        METADATA,
        r"topics\[(auto-created|unknown)-\d+\]\.(error_code|partitions.*|topic_id)",
        "an auto-created topic can be used at once; versions 0-3 always create",
    ),
    # Configs and the cluster.
    KnownDifference(
        DESCRIBE_CONFIGS, rf".*\.configs\[{_MISSING_CONFIGS}\]", "ringlog has no such config yet"
    ),
    KnownDifference(DESCRIBE_CONFIGS, r".*\.configs\[min\.insync\.replicas\].*", _ELR),
    KnownDifference(
        DESCRIBE_CONFIGS,
        r".*\.configs\[(node\.id|num\.partitions)\]\.synonyms",
        "only node.id has a default here: gateways do not know those of the metadata service",
    ),
    KnownDifference(
        DESCRIBE_CONFIGS,
        r".*\.error_message",
        "ringlog gives a reason also where Kafka gives none",
        "",
    ),
    KnownDifference(
        API_VERSIONS,
        r"api_keys(\[\d+\].*)?",
        "ringlog has fewer APIs, and versions older than Kafka 4",
    ),
    KnownDifference(
        API_VERSIONS,
        r"(supported_features|finalized_features).*",
        "features are of KRaft, transactions and share groups",
    ),
    # Groups.
    KnownDifference(
        CONSUMER_GROUP_HEARTBEAT,
        r"assignment",
        "ringlog sends it again with each new epoch, in case the last response was lost",
        kafka=None,
    ),
    KnownDifference(
        CONSUMER_GROUP_DESCRIBE,
        r"groups\[((upgraded|(static-)?consumers)-\d+|offsets-only)\]\.assignment_epoch",
        "a group without members has nothing to assign",
    ),
    KnownDifference(
        DESCRIBE_GROUPS,
        r"groups\[static-\d+\]\.members\[.*\]\.member_assignment",
        "ringlog drops assignments with their generation, Kafka when it has the next ones",
        ringlog=b"",
    ),
    KnownDifference(
        JOIN_GROUP,
        r"generation_id",
        "epochs of consumer groups begin with 2 in Kafka, and are generations to classic members",
        kafka=3,
        ringlog=2,
    ),
    KnownDifference(
        DESCRIBE_GROUPS, r"groups", "ringlog returns a group once that a request names twice"
    ),
    KnownDifference(
        OFFSET_FETCH, r"groups", "ringlog returns a group once that a request names twice"
    ),
    KnownDifference(
        LIST_GROUPS,
        r"groups\[(deletes|remembers)\]",
        "ringlog removes a group with its last offset, Kafka at the next access to the group",
        ringlog=None,
    ),
    # Records.
    KnownDifference(
        PRODUCE,
        r"responses\[(id of )?produced\]",
        "ringlog returns topics without partitions, as OffsetFetch does",
        kafka=None,
    ),
    KnownDifference(
        PRODUCE,
        r".*\.error_message",
        "ringlog gives a reason also where Kafka gives none",
        kafka=None,
    ),
    KnownDifference(
        PRODUCE,
        r".*\.log_start_offset",
        "ringlog omits it in errors: clients read it only with UNKNOWN_PRODUCER_ID",
        kafka=0,
        ringlog=-1,
    ),
    KnownDifference(
        PRODUCE,
        r".*\.log_append_time",
        "ringlog does not store the append time of a batch for its duplicates",
        kafka="some time",
        ringlog=None,
    ),
    KnownDifference(
        PRODUCE,
        r".*\.error_code",
        "ringlog checks acks before it looks up topics",
        ringlog=ErrorCode.invalid_required_acks,
    ),
    KnownDifference(
        FETCH,
        r".*\.aborted_transactions",
        "ringlog sends an empty list for a partition that did not fit into the response",
        kafka=None,
        ringlog=[],
    ),
    KnownDifference(
        FETCH,
        r"session_id",
        "ringlog has no fetch sessions, and says so with id 0 (KIP-227)",
        ringlog=0,
    ),
    _in_batches("offset-of-its-own", "ringlog ignores the base offset in the request"),
    _in_batches("transactional", "ringlog has no transactions yet"),
    _in_batches("codec-5", "UNSUPPORTED_COMPRESSION_TYPE says more than UNKNOWN_SERVER_ERROR"),
    _in_batches("garbage-in-gzip", "ringlog stores compressed records without decompressing them"),
    _in_batches("negative-time", "ringlog stores timestamps before 1970"),
    _in_batches("far-future", "ringlog does not fill record_errors yet (KIP-467)"),
    _in_batches("append-time", "ringlog does not fill record_errors yet (KIP-467)"),
    _in_batches(
        "magic-7",
        "ringlog returns INVALID_RECORD, as for magic 0 and 1, which clients do not retry",
    ),
    KnownDifference(
        FETCH,
        r"responses\[compressed\]\.partitions\[0\]\.records",
        "clients of versions before 10 cannot read zstd (KIP-110)",
    ),
    KnownDifference(
        FETCH,
        r"responses\[\w[\w-]*-(offset-of-its-own|garbage-in-gzip|negative-time)\]\..*",
        "ringlog stored these batches, Kafka did not",
    ),
]

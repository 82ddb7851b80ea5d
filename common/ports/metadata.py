"""The port to the cluster's metadata: topics, configs, members, placement, producer ids, watches.

Implemented by `metadata_svc` and by its gRPC client (`common/rpc`), which gateways and partition
services share. A watcher receives all metadata as `ClusterChange`s with increasing revisions.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from common.ports.moves import MemberProcess, MemberReport, Move


class TopicRefusal(IntEnum):
    """Reasons not to create or delete a topic; names and numbers of metadata.v1.TopicRefusal."""

    TOPIC_ALREADY_EXISTS = 1
    INVALID_TOPIC_NAME = 2
    INVALID_PARTITIONS = 3
    INVALID_REPLICATION_FACTOR = 4
    INVALID_REPLICA_ASSIGNMENT = 5
    INVALID_CONFIG = 6
    INVALID_REQUEST = 7
    UNKNOWN_TOPIC = 8
    UNKNOWN_TOPIC_ID = 9
    TIMED_OUT = 10
    NO_OWNER = 11
    STORAGE_ERROR = 12


class Placement(NamedTuple):
    """The owner of a partition and its leader epoch.

    The leader epoch increases with every change of owner, and when the owner may have lost records:
    an offset is never assigned to two records in the same epoch.
    """

    owner: str  # a member's name, for instance "partition-0"
    leader_epoch: int


class PlacementChange(NamedTuple):
    """The new placement of one partition of a known topic."""

    topic_id: bytes
    partition: int
    placement: Placement


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as watchers receive it. `configs` has the topic's own configs, not the defaults."""

    topic_id: bytes
    name: str
    partitions: tuple[Placement, ...]
    configs: Mapping[str, str] = field(default_factory=dict)
    is_internal: bool = False


class Endpoint(NamedTuple):
    """The advertised address of a gateway for one listener."""

    listener: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """A live gateway, which is a broker with a `node_id` to Kafka clients."""

    node_id: int
    endpoints: tuple[Endpoint, ...]
    rack: str | None = None


@dataclass(frozen=True, slots=True)
class VolumeState:
    """Metadata state stored in a data directory. Part of a registration, not sent to watchers.

    `tokens` are the tokens that the metadata service may have recorded for the directory, oldest
    first; the last one is to be recorded now. `applied_revision`, `leader_epoch` and `move_id` are
    the highest that the directory has received. `may_lack_records` is true if the machine failed
    under the previous process, so that unsynced records with offsets may be lost. `cluster_id` is
    empty if the directory has not served a cluster yet.
    """

    tokens: tuple[str, ...] = ()
    applied_revision: int = -1
    leader_epoch: int = -1
    move_id: int = 0
    may_lack_records: bool = False
    cluster_id: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A partition service: its stable name and its current gRPC address.

    `volume_id` identifies its data directory, and `incarnation` counts how often that was opened: a
    member must come back with the same volume, and the process with the higher incarnation wins.
    `opening_id` is random and new at each opening, so it identifies one process; empty if an older
    release registered. `volume` is set in registrations only.
    """

    name: str
    address: str
    volume_id: str = ""
    incarnation: int = 0
    opening_id: str = ""
    volume: VolumeState | None = None


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """The changes up to `revision`. A snapshot (`is_snapshot`) replaces all earlier state.

    Lists have complete new or changed items; those of deleted, removed and ended ones only their
    ids or names. In a snapshot `deleted_topics` are the newest ones, oldest first. `placements`
    update single partitions without sending the whole topic; apply them after `topics`.
    """

    revision: int
    cluster_id: str
    is_snapshot: bool = False
    topics: Sequence[Topic] = ()
    deleted_topics: Sequence[bytes] = ()
    placements: Sequence[PlacementChange] = ()
    gateways: Sequence[Gateway] = ()
    removed_gateways: Sequence[int] = ()
    members: Sequence[Member] = ()
    removed_members: Sequence[str] = ()
    moves: Sequence[Move] = ()
    ended_moves: Sequence[int] = ()
    broker_configs: Mapping[str, str] | None = None


#: The process that opens a watch; it is registered as long as its watch is open.
Registration = Gateway | Member


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic to create. -1 is the cluster's default; `assignments` maps partitions to node ids."""

    name: str
    partition_count: int = -1
    replication_factor: int = -1
    assignments: Mapping[int, Sequence[int]] = field(default_factory=dict)
    configs: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicResult:
    """The result for one topic of a request.

    If `refusal` is None, the change is durable and every live watcher has applied it. TIMED_OUT:
    the change is durable, but not every live watcher has acknowledged it.
    """

    name: str | None = None
    topic_id: bytes | None = None
    topic: Topic | None = None
    refusal: TopicRefusal | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ProducerIdBlock:
    """Producer ids `first` … `first + count - 1`, allocated once in a cluster (KIP-730)."""

    first: int
    count: int


class Watch(Protocol):
    """The stream of one watcher: a snapshot, then changes. Acknowledge each after applying it."""

    def __aiter__(self) -> AsyncIterator[ClusterChange]:
        """Iterates over the changes.

        Raises:
            BackendUnavailable: the stream broke; open another watch.
            RegistrationRefused: permanent, a retry would be refused too.
        """
        ...

    def acknowledge(self, revision: int) -> None: ...

    def report(self, report: MemberReport) -> None:
        """Sends a member's report; best effort, never waits."""
        ...

    async def close(self) -> None:
        """Ends the registration at once, without waiting for the lease."""
        ...


class Metadata(Protocol):
    """The cluster's metadata. Every method raises `BackendUnavailable` if no service responds."""

    def watch(self, registration: Registration) -> Watch: ...

    async def create_topics(
        self, topics: Sequence[NewTopic], *, timeout_ms: int, validate_only: bool = False
    ) -> list[TopicResult]:
        """Returns one result per topic, after all live watchers acknowledged it or on timeout."""
        ...

    async def delete_topics(
        self, names: Sequence[str] = (), topic_ids: Sequence[bytes] = (), *, timeout_ms: int
    ) -> list[TopicResult]:
        """Returns results for `names`, then for `topic_ids`; waits as `create_topics` does."""
        ...

    async def allocate_producer_ids(self) -> ProducerIdBlock: ...

    async def renew_volume_token(self, process: MemberProcess, token: str) -> None:
        """Records `token` as the newest token of the member's volume. Durable when it returns.

        The member stores `token` durably before the call. Afterwards a copy of the volume without
        this token is detected as an older one.

        Raises:
            BackendUnavailable: also if `process` is not the registered process of the member.
        """
        ...

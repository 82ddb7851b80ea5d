"""The port to the cluster's metadata: topics, configs, members, placement, producer ids, watching.

Implemented by `metadata_svc` and by its gRPC client (`common/rpc`), which gateways and partition
services share. Everything a watcher learns arrives as `ClusterChange`s with growing revisions.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from common.ports.moves import MemberProcess, MemberReport, Move


class TopicRefusal(IntEnum):
    """Why a topic was not created or deleted. Numbers and names are metadata.v1.TopicRefusal's."""

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
    """Which partition service owns a partition, and since when.

    The leader epoch grows with every change of owner, and when the owner may lack records that it
    had: offsets are never given to other records under the same epoch.
    """

    owner: str  # a member's name, for instance "partition-0"
    leader_epoch: int


class PlacementChange(NamedTuple):
    """One partition of a known topic has a new placement."""

    topic_id: bytes
    partition: int
    placement: Placement


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as every watcher holds it. `configs` are its own settings only, not the defaults."""

    topic_id: bytes
    name: str
    partitions: tuple[Placement, ...]
    configs: Mapping[str, str] = field(default_factory=dict)
    is_internal: bool = False


class Endpoint(NamedTuple):
    """Where clients of one listener reach a gateway."""

    listener: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """A live gateway; in Kafka's words a broker with its `node_id`."""

    node_id: int
    endpoints: tuple[Endpoint, ...]
    rack: str | None = None


@dataclass(frozen=True, slots=True)
class VolumeState:
    """What a data directory remembers of the metadata. Part of a registration, told to nobody else.

    `tokens` are those under which the metadata service may know the directory, oldest first; the
    last is the one to record now. `applied_revision`, `leader_epoch` and `move_id` are the highest
    that this directory was told of. `may_lack_records`: the machine went down under the process
    before, so records that it had given offsets, and not synced, may be gone. `cluster_id` is empty
    where the directory has not served any cluster yet.
    """

    tokens: tuple[str, ...] = ()
    applied_revision: int = -1
    leader_epoch: int = -1
    move_id: int = 0
    may_lack_records: bool = False
    cluster_id: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A partition service: its stable name, and the gRPC address where it is now.

    `volume_id` names its data directory, `incarnation` counts how often that was opened: what was
    there before under the same name must be the same volume, and of two processes the later holds.
    `opening_id` is random and new at each opening, so it names one process; empty where a release
    before it registered. `volume` is there in registrations only.
    """

    name: str
    address: str
    volume_id: str = ""
    incarnation: int = 0
    opening_id: str = ""
    volume: VolumeState | None = None


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """What changed up to `revision`. With `is_snapshot` it replaces everything known before.

    Lists hold new or changed things whole; the `_gone` ones only the identity. In a snapshot
    `topics_gone` are the topics that were deleted last, oldest first. `placements` spare a
    topic of many partitions being told whole where one of them moved; they come after `topics`.
    """

    revision: int
    cluster_id: str
    is_snapshot: bool = False
    topics: Sequence[Topic] = ()
    topics_gone: Sequence[bytes] = ()
    placements: Sequence[PlacementChange] = ()
    gateways: Sequence[Gateway] = ()
    gateways_gone: Sequence[int] = ()
    members: Sequence[Member] = ()
    members_gone: Sequence[str] = ()
    moves: Sequence[Move] = ()
    moves_gone: Sequence[int] = ()
    broker_configs: Mapping[str, str] | None = None


#: Who is watching: registration and watching are one thing, alive as long as the stream is.
Registration = Gateway | Member


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic to create. -1 asks for the cluster's default; `assignments` is partition → nodes."""

    name: str
    partition_count: int = -1
    replication_factor: int = -1
    assignments: Mapping[int, Sequence[int]] = field(default_factory=dict)
    configs: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicResult:
    """`refusal` None: done and known to every live watcher. TIMED_OUT: done, not known to all."""

    name: str | None = None
    topic_id: bytes | None = None
    topic: Topic | None = None
    refusal: TopicRefusal | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ProducerIdBlock:
    """Producer ids `first` … `first + count - 1`, never given to anybody else (KIP-730)."""

    first: int
    count: int


class Watch(Protocol):
    """One watcher's stream: a snapshot, then changes. Acknowledge each after applying it."""

    def __aiter__(self) -> AsyncIterator[ClusterChange]:
        """Raises `BackendUnavailable` when the stream breaks; watch again then.

        Raises `RegistrationRefused` where watching again would not help.
        """
        ...

    def acknowledge(self, revision: int) -> None: ...

    def report(self, report: MemberReport) -> None:
        """Tells what a member does; best effort, and never waits."""
        ...

    async def close(self) -> None:
        """Ends the registration at once, without waiting for the lease."""
        ...


class Metadata(Protocol):
    """The cluster's metadata. Every method raises `BackendUnavailable` where nobody answers."""

    def watch(self, registration: Registration) -> Watch: ...

    async def create_topics(
        self, topics: Sequence[NewTopic], *, timeout_ms: int, validate_only: bool = False
    ) -> list[TopicResult]:
        """One result for each topic, when every live watcher has acknowledged it or time is up."""
        ...

    async def delete_topics(
        self, names: Sequence[str] = (), topic_ids: Sequence[bytes] = (), *, timeout_ms: int
    ) -> list[TopicResult]:
        """Results for `names`, then for `topic_ids`."""
        ...

    async def allocate_producer_ids(self) -> ProducerIdBlock: ...

    async def renew_volume_token(self, process: MemberProcess, token: str) -> None:
        """Records `token` as the one of the member's volume. Durable when it returns.

        The member keeps `token` durably before it calls. From then on a copy of the volume that
        does not have it is known to be an older one.

        Raises:
            BackendUnavailable: also where `process` is not the registered process of the member.
        """
        ...

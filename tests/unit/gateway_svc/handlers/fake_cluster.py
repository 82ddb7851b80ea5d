"""A cluster for tests of handlers: a view with topics, and ports whose replies the test sets."""

import asyncio
from asyncio import Future
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from common.client.groups.offsets_topic import OffsetsTopic
from common.cluster.view import ClusterView
from common.ports.classic_groups import (
    GroupHeartbeat,
    HeartbeatReply,
    JoinGroup,
    JoinReply,
    LeaveGroup,
    LeaveReply,
    LeftMember,
    ListedGroups,
    ListGroups,
    SyncGroup,
    SyncReply,
)
from common.ports.consumer_groups import ConsumerHeartbeat, ConsumerHeartbeatReply
from common.ports.group_offsets import (
    CommitOffsets,
    CommitResult,
    DeletedOffsets,
    DeleteOffsets,
    FetchedOffsets,
    FetchOffsets,
)
from common.ports.metadata import (
    ClusterChange,
    Endpoint,
    Gateway,
    NewTopic,
    Placement,
    ProducerIdBlock,
    Topic,
    TopicResult,
)
from common.ports.partitions import (
    Append,
    AppendResult,
    EpochEndOffset,
    EpochQuery,
    FetchQuery,
    FetchResult,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
    Partitions,
)
from gateway_svc.config import GatewaySettings, ListenerAddress
from gateway_svc.dispatch.context import Backends, Peer, RequestContext
from gateway_svc.dispatch.reply import Disconnect
from gateway_svc.dispatch.response_budget import ResponseBudget
from gateway_svc.dispatch.route import ExclusiveOperation, Operation
from gateway_svc.producer_ids import ProducerIdPool
from gateway_svc.wire.apis.offset_commit import OFFSET_COMMIT
from gateway_svc.wire.apis.produce import PRODUCE
from gateway_svc.wire.codec import decode

ORDERS = Topic(b"orders----------", "orders", (Placement("p-0", 7),) * 3)
PAYMENTS = Topic(b"payments--------", "payments", (Placement("p-0", 2),), {"retention.ms": "1000"})
NO_SUCH_ID = b"no such topic id"

PEER = Peer("INTERNAL", "10.0.0.9", 40_000, "10.0.0.1")


@dataclass
class FakePartitions(Partitions):
    """Returns `append_results` and so on, or raises `error`; records its requests."""

    append_results: list[AppendResult] | None = None
    fetch_results: list[FetchResult] | None = None
    offset_results: list[OffsetResult] | None = None
    epoch_results: list[EpochEndOffset] | None = None
    descriptions: list[LogDescription] | None = None
    error: Exception | None = None
    appends: list[Append] = field(default_factory=list)
    acks: list[int] = field(default_factory=list)
    fetches: list[FetchQuery] = field(default_factory=list)
    offset_queries: list[OffsetQuery] = field(default_factory=list)
    epoch_queries: list[EpochQuery] = field(default_factory=list)
    described: list[LogId] = field(default_factory=list)
    on_fetch: Callable[[FetchQuery], Coroutine[Any, Any, list[FetchResult]]] | None = None

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        self.appends += appends
        self.acks.append(acks)
        future: Future[list[AppendResult]] = asyncio.get_running_loop().create_future()
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(
                self.append_results
                or [
                    AppendResult(base_offset=100 + n, log_start_offset=0)
                    for n in range(len(appends))
                ]
            )
        return future

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        # Handlers may change a query and send it again, so record a copy.
        self.fetches.append(replace(query))
        if self.error is not None:
            raise self.error
        if self.on_fetch is not None:
            return await self.on_fetch(query)
        return self.fetch_results or [FetchResult([b"batch"], 5, 5, 0, 7) for _ in query.partitions]

    async def list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        self.offset_queries += queries
        if self.error is not None:
            raise self.error
        return self.offset_results or [OffsetResult(10 + n, -1, 7) for n in range(len(queries))]

    async def epoch_end_offsets(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        self.epoch_queries += queries
        if self.error is not None:
            raise self.error
        return self.epoch_results or [EpochEndOffset(7, 10 + n) for n in range(len(queries))]

    async def describe_logs(self, logs: Sequence[LogId]) -> list[LogDescription]:
        self.described += logs
        if self.error is not None:
            raise self.error
        return self.descriptions or [LogDescription(log, 3, 10, 12) for log in logs]


@dataclass
class FakeMetadata:
    """Creates topics in `view`, or returns `results`, or raises `error`; records its requests."""

    view: ClusterView
    results: list[TopicResult] | None = None
    error: Exception | None = None
    created: list[NewTopic] = field(default_factory=list)
    deleted: list[tuple[list[str], list[bytes]]] = field(default_factory=list)
    validate_only: bool = False
    timeout_ms: int = 0
    next_producer_id: int = 4000

    def watch(self, registration: object) -> Any:
        raise NotImplementedError

    async def create_topics(
        self, topics: Sequence[NewTopic], *, timeout_ms: int, validate_only: bool = False
    ) -> list[TopicResult]:
        self.created += topics
        self.timeout_ms, self.validate_only = timeout_ms, validate_only
        if self.error is not None:
            raise self.error
        if self.results is not None:
            return self.results
        created = [
            Topic(
                new.name.encode().ljust(16, b"+")[:16],
                new.name,
                (Placement("p-0", 0),) * max(1, new.partition_count),
                {name: value for name, value in new.configs.items() if value is not None},
            )
            for new in topics
        ]
        if not validate_only:
            change = ClusterChange(self.view.revision + 1, self.view.cluster_id, topics=created)
            self.view.apply(change)
        return [TopicResult(topic.name, topic.topic_id, topic) for topic in created]

    async def delete_topics(
        self, names: Sequence[str] = (), topic_ids: Sequence[bytes] = (), *, timeout_ms: int
    ) -> list[TopicResult]:
        self.deleted.append((list(names), list(topic_ids)))
        self.timeout_ms = timeout_ms
        if self.error is not None:
            raise self.error
        if self.results is not None:
            return self.results
        by_name = [TopicResult(name, b"i" * 16) for name in names]
        return by_name + [
            TopicResult(f"name of {topic_id.hex()}", topic_id) for topic_id in topic_ids
        ]

    async def allocate_producer_ids(self) -> ProducerIdBlock:
        if self.error is not None:
            raise self.error
        first = self.next_producer_id
        self.next_producer_id += 1000
        return ProducerIdBlock(first, 1000)


class FakeCoordinators:
    """Returns `replies[type of request]`, or raises `error`; records its requests.

    If the value is a list, a request gets the reply with its group id.
    """

    def __init__(self) -> None:
        self.replies: dict[type, Any] = {
            JoinGroup: JoinReply(),
            SyncGroup: SyncReply(),
            GroupHeartbeat: HeartbeatReply(),
            LeaveGroup: LeaveReply([LeftMember("m")]),
            CommitOffsets: CommitResult([None]),
            FetchOffsets: FetchedOffsets(),
            ListGroups: ListedGroups(),
            DeleteOffsets: DeletedOffsets([None]),
            ConsumerHeartbeat: ConsumerHeartbeatReply(),
        }
        self.requests: list[Any] = []
        self.error: Exception | None = None

    def call(self, request: Any) -> Future[Any]:
        return asyncio.ensure_future(self.reply_to(request))

    async def list_groups(self, request: ListGroups) -> Any:
        return await self.reply_to(request)

    async def reply_to(self, request: Any) -> Any:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        reply = self.replies[type(request)]
        if isinstance(reply, list):
            (reply,) = (group for group in reply if group.group_id == request.group_id)
        return reply


class FakeCluster:
    """Gateways 1 (under test), 2 and 3; 3 has no listener INTERNAL. Topics orders and payments."""

    def __init__(self, **settings: Any) -> None:
        self.view = ClusterView()
        self.view.apply(
            ClusterChange(
                1,
                "the-cluster",
                is_snapshot=True,
                topics=(ORDERS, PAYMENTS),
                gateways=(
                    Gateway(1, (Endpoint("INTERNAL", "gateway-1", 9092),)),
                    Gateway(
                        2,
                        (
                            Endpoint("INTERNAL", "gateway-2", 9092),
                            Endpoint("EXTERNAL", "kafka.example", 9094),
                        ),
                        "rack-b",
                    ),
                    Gateway(3, (Endpoint("EXTERNAL", "kafka3.example", 9094),)),
                ),
                broker_configs={"num.partitions": "2", "log.retention.hours": "24"},
            )
        )
        self.partitions = FakePartitions()
        self.memory_used = 0
        self.metadata = FakeMetadata(self.view)
        self.coordinators = FakeCoordinators()
        self.backends = Backends(
            settings=GatewaySettings(
                **{
                    "node_id": 1,
                    "broker_rack": "rack-a",
                    "listeners": ("INTERNAL://:9092",),
                    **settings,
                }
            ),
            addresses={
                "INTERNAL": ListenerAddress("INTERNAL", "gateway-1", 9092),
                "EXTERNAL": ListenerAddress("EXTERNAL", "", 9094),
            },
            view=self.view,
            partitions=self.partitions,
            coordinators=self.coordinators,  # type: ignore[arg-type]
            offsets_topic=OffsetsTopic(self.view, self.metadata, partition_count=5),
            metadata=self.metadata,
            producer_ids=ProducerIdPool(self.metadata.allocate_producer_ids),
            response_budget=ResponseBudget(64 << 20, lambda: self.memory_used),
        )

    def context(
        self, version: int, *, listener: str = "INTERNAL", client_id: str = "a client"
    ) -> RequestContext:
        peer = PEER._replace(listener=listener)
        return RequestContext(version, client_id, peer, self.backends)

    def send(self, handler: Any, request: Any, version: int, **client: str) -> Any:
        """Returns the handler's response, whether it is an operation, a coroutine or a value."""

        async def respond() -> Any:
            started = handler(request, self.context(version, **client))
            if isinstance(started, Operation):
                await asyncio.wait([started.future])
                return _message(started.respond(), request, version)
            if isinstance(started, ExclusiveOperation):
                return await started.run()
            return await started if asyncio.iscoroutine(started) else started

        return asyncio.run(respond())

    def disconnect_reason(self, handler: Any, request: Any, version: int) -> str:
        """Returns why the handler closes the connection; fails if it returns a response."""
        try:
            response = self.send(handler, request, version)
        except Disconnect as reason:
            return str(reason)
        raise AssertionError(f"the handler responded: {response}")


def _message(response: Any, request: Any, version: int) -> Any:
    """Returns the response as a message; some handlers return encoded bytes."""
    if not isinstance(response, bytes):
        return response
    (api,) = (api for api in (PRODUCE, OFFSET_COMMIT) if isinstance(request, api.request))
    message, end = decode(api.response, response, 0, version, api.is_flexible(version))
    assert end == len(response)
    return message

"""Contract of `Metadata`. Subclasses implement `opened`.

Each test has its own event loop and a cluster that is empty at first. One generous limit bounds all
waits of a test; no step depends on the speed of the machine.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from common.cluster.follow import OnWatch, follow
from common.cluster.view import ClusterView
from common.ports.metadata import (
    ClusterChange,
    Endpoint,
    Gateway,
    Member,
    Metadata,
    NewTopic,
    Placement,
    Registration,
    TopicRefusal,
    Watch,
)
from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from common.runtime.backoff import Backoff

#: `opened` must send watchers these broker configs.
BROKER_CONFIGS = {"num.partitions": "3", "message.max.bytes": "1000"}
#: … and use this for topics that are created with -1 partitions.
DEFAULT_PARTITIONS = 3

_TEST_WITHIN_S = 60
_LONG_TIMEOUT_MS = 30_000

PARTITION_0 = Member("partition-0", "localhost:9292")


def gateway(node_id: int, port: int = 9092) -> Gateway:
    return Gateway(node_id, (Endpoint("PLAINTEXT", "localhost", port),), rack="r1")


def in_cluster(test: Callable[[Any, Metadata], Awaitable[None]]) -> Callable[[Any], None]:
    """Runs `test` with an opened `Metadata`."""

    async def body(self: "MetadataContract") -> None:
        async with asyncio.timeout(_TEST_WITHIN_S), self.opened() as metadata:
            await test(self, metadata)

    def run(self: "MetadataContract") -> None:
        asyncio.run(body(self))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@asynccontextmanager
async def following(
    metadata: Metadata, registration: Registration, on_watch: OnWatch | None = None
) -> AsyncIterator[ClusterView]:
    """Runs a watcher that acknowledges each change; yields its view after the first snapshot."""
    view, has_snapshot = ClusterView(), asyncio.Event()

    def on_change(change: ClusterChange) -> None:
        view.apply(change)
        has_snapshot.set()

    task = asyncio.create_task(
        follow(metadata, registration, on_change, on_watch=on_watch, backoff=Backoff(0.1, 0.1))
    )
    try:
        await has_snapshot.wait()
        yield view
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def watching(metadata: Metadata, registration: Registration) -> AsyncIterator[Watch]:
    """Opens a watch; the test acknowledges its changes."""
    watch = metadata.watch(registration)
    try:
        yield watch
    finally:
        await watch.close()


async def change_with(watch: Watch, matches: Callable[[ClusterChange], object]) -> ClusterChange:
    """Reads changes up to the first that matches, which it returns; acknowledges the others."""
    async for change in watch:
        if matches(change):
            return change
        watch.acknowledge(change.revision)
    raise AssertionError("the watch ended")


async def until(condition: Callable[[], object]) -> None:
    """Yields to the event loop until the condition holds; bounded by the test's limit."""
    while not condition():  # noqa: ASYNC110 - for conditions without notification
        await asyncio.sleep(0.001)


class MetadataContract:
    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[Metadata]:
        """An empty cluster; see the constants of this module for its settings."""

    @in_cluster
    async def test_a_watch_begins_with_a_snapshot_that_contains_the_watcher(self, metadata):
        async with watching(metadata, gateway(5)) as watch:
            first = await anext(aiter(watch))
        assert first.is_snapshot
        assert first.gateways == (gateway(5),)
        assert first.broker_configs == BROKER_CONFIGS
        assert len(first.cluster_id) == 22

    @in_cluster
    async def test_watchers_get_joining_members_and_leaving_gateways(self, metadata):
        async with watching(metadata, gateway(0)) as watch:
            async with following(metadata, gateway(1)):
                await change_with(watch, lambda change: gateway(1) in change.gateways)
            await change_with(watch, lambda change: 1 in change.removed_gateways)

    @in_cluster
    async def test_a_partition_service_that_left_stays_in_the_view_with_its_address(self, metadata):
        async with following(metadata, PARTITION_0):
            pass
        async with following(metadata, gateway(0)) as view:
            assert view.members == (PARTITION_0,)

    @in_cluster
    async def test_a_partition_service_that_left_gets_no_new_partitions(self, metadata):
        async with following(metadata, PARTITION_0):
            pass
        [result] = await metadata.create_topics([NewTopic("t")], timeout_ms=1)
        assert result.refusal is TopicRefusal.NO_OWNER

    @in_cluster
    async def test_a_topic_is_created_as_soon_as_a_member_can_own_it(self, metadata):
        creating = asyncio.create_task(
            metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
        )
        await metadata.allocate_producer_ids()
        assert not creating.done()
        async with following(metadata, PARTITION_0):
            [result] = await creating
            assert result.refusal is None

    @in_cluster
    async def test_revisions_grow_with_every_change(self, metadata):
        async with watching(metadata, PARTITION_0) as watch:
            changes = aiter(watch)
            revisions = [(await anext(changes)).revision]
            for node_id in range(3):
                async with following(metadata, gateway(node_id)):
                    revisions.append((await anext(changes)).revision)
                revisions.append((await anext(changes)).revision)
        assert revisions == sorted(set(revisions))

    @in_cluster
    async def test_a_created_topic_is_in_all_views_when_the_response_arrives(self, metadata):
        async with (
            following(metadata, PARTITION_0) as owner,
            following(metadata, gateway(0)) as first,
            following(metadata, gateway(1)) as second,
        ):
            request = NewTopic("t", 2, configs={"retention.ms": " 5 "})
            [result] = await metadata.create_topics([request], timeout_ms=_LONG_TIMEOUT_MS)
            assert result.refusal is None
            topic = result.topic
            assert topic.partitions == (Placement("partition-0", 0),) * 2
            assert topic.configs == {"retention.ms": "5"}
            assert (len(topic.topic_id), topic.is_internal) == (16, False)
            assert (result.name, result.topic_id) == ("t", topic.topic_id)
            for view in (owner, first, second):
                assert view.topic("t") == topic

    @in_cluster
    async def test_minus_one_partitions_are_the_default_number(self, metadata):
        async with following(metadata, PARTITION_0):
            [result] = await metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
        assert len(result.topic.partitions) == DEFAULT_PARTITIONS

    @in_cluster
    async def test_no_response_precedes_the_last_acknowledgement(self, metadata):
        async with following(metadata, PARTITION_0), watching(metadata, gateway(0)) as watch:
            await change_with(watch, lambda change: change.is_snapshot)
            creating = asyncio.create_task(
                metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
            )
            change = await change_with(watch, lambda change: change.topics)
            # Another call makes a round trip: a response would have arrived by now.
            await metadata.allocate_producer_ids()
            assert not creating.done()
            watch.acknowledge(change.revision - 1)
            await metadata.allocate_producer_ids()
            assert not creating.done()
            watch.acknowledge(change.revision)
            [result] = await creating
            assert result.refusal is None

    @in_cluster
    async def test_a_topic_not_acknowledged_in_time_is_created_after_the_timeout(self, metadata):
        async with (
            following(metadata, PARTITION_0) as owner,
            watching(metadata, gateway(0)) as idle,
        ):
            await change_with(idle, lambda change: change.is_snapshot)
            [result] = await metadata.create_topics([NewTopic("t")], timeout_ms=1)
            assert result.refusal is TopicRefusal.TIMED_OUT
            await until(lambda: owner.topic("t") == result.topic)
            [result] = await metadata.delete_topics(["t"], timeout_ms=1)
            assert result.refusal is TopicRefusal.TIMED_OUT
            await until(lambda: owner.topic("t") is None)

    @in_cluster
    async def test_an_acknowledgement_of_a_future_revision_is_ignored(self, metadata):
        async with following(metadata, PARTITION_0), watching(metadata, gateway(0)) as watch:
            await change_with(watch, lambda change: change.is_snapshot)
            watch.acknowledge(2**40)
            [result] = await metadata.create_topics([NewTopic("t")], timeout_ms=1)
            assert result.refusal is TopicRefusal.TIMED_OUT

    @in_cluster
    async def test_no_change_waits_for_a_closed_watcher(self, metadata):
        async with following(metadata, PARTITION_0), watching(metadata, gateway(0)) as watch:
            await change_with(watch, lambda change: change.is_snapshot)
            creating = asyncio.create_task(
                metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
            )
            await change_with(watch, lambda change: change.topics)
            await watch.close()
            [result] = await creating
            assert result.refusal is None

    @in_cluster
    async def test_the_second_of_two_concurrent_creations_waits_for_the_first(self, metadata):
        async with following(metadata, PARTITION_0), watching(metadata, gateway(0)) as watch:
            await change_with(watch, lambda change: change.is_snapshot)
            first, second = (
                asyncio.create_task(
                    metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
                )
                for _ in range(2)
            )
            change = await change_with(watch, lambda change: change.topics)
            await metadata.allocate_producer_ids()
            assert not second.done()
            watch.acknowledge(change.revision)
            results = [(await first)[0].refusal, (await second)[0].refusal]
            assert sorted(results, key=str) == [TopicRefusal.TOPIC_ALREADY_EXISTS, None]

    @in_cluster
    async def test_many_topics_of_one_request_are_published_in_one_change(self, metadata):
        async with following(metadata, PARTITION_0), watching(metadata, gateway(0)) as watch:
            await change_with(watch, lambda change: change.is_snapshot)
            requests = [NewTopic(f"t{number}", 1) for number in range(1_000)]
            creating = asyncio.create_task(
                metadata.create_topics(requests, timeout_ms=_LONG_TIMEOUT_MS)
            )
            change = await change_with(watch, lambda change: change.topics)
            watch.acknowledge(change.revision)
            results = await creating
        assert [result.refusal for result in results] == [None] * 1_000
        assert [topic.name for topic in change.topics] == [request.name for request in requests]

    @in_cluster
    async def test_each_topic_is_refused_for_its_own_reason_and_the_others_are_created(
        self, metadata
    ):
        async with following(metadata, PARTITION_0), following(metadata, gateway(0)) as view:
            await metadata.create_topics([NewTopic("old")], timeout_ms=_LONG_TIMEOUT_MS)
            expected = {
                "old": (NewTopic("old"), TopicRefusal.TOPIC_ALREADY_EXISTS),
                "a b": (NewTopic("a b"), TopicRefusal.INVALID_TOPIC_NAME),
                "none": (NewTopic("none", 0), TopicRefusal.INVALID_PARTITIONS),
                "copies": (NewTopic("copies", 1, 2), TopicRefusal.INVALID_REPLICATION_FACTOR),
                "null": (
                    NewTopic("null", configs={"retention.ms": None}),
                    TopicRefusal.INVALID_CONFIG,
                ),
                "wrong": (
                    NewTopic("wrong", configs={"retention.ms": "x"}),
                    TopicRefusal.INVALID_CONFIG,
                ),
                "nodes": (
                    NewTopic("nodes", assignments={0: [7]}),
                    TopicRefusal.INVALID_REPLICA_ASSIGNMENT,
                ),
                "both": (NewTopic("both", 1, assignments={0: [0]}), TopicRefusal.INVALID_REQUEST),
                "assigned": (NewTopic("assigned", assignments={0: [0], 1: [0]}), None),
            }
            results = await metadata.create_topics(
                [topic for topic, _ in expected.values()], timeout_ms=_LONG_TIMEOUT_MS
            )
            assert {result.name: result.refusal for result in results} == {
                name: refusal for name, (_, refusal) in expected.items()
            }
            assert all(result.message for result in results if result.refusal is not None)
            assert [topic.name for topic in view.topics] == ["assigned", "old"]
            assert len(view.topic("assigned").partitions) == 2

    @in_cluster
    async def test_validate_only_returns_the_same_results_and_creates_nothing(self, metadata):
        async with following(metadata, PARTITION_0) as view:
            results = await metadata.create_topics(
                [NewTopic("good"), NewTopic("a b")], timeout_ms=_LONG_TIMEOUT_MS, validate_only=True
            )
            assert [result.refusal for result in results] == [None, TopicRefusal.INVALID_TOPIC_NAME]
            assert len(results[0].topic.partitions) == DEFAULT_PARTITIONS
            [created] = await metadata.create_topics(
                [NewTopic("good")], timeout_ms=_LONG_TIMEOUT_MS
            )
            assert created.refusal is None
            assert [topic.name for topic in view.topics] == ["good"]

    @in_cluster
    async def test_topics_are_deleted_by_name_and_by_id(self, metadata):
        async with following(metadata, PARTITION_0), following(metadata, gateway(0)) as view:
            requests = [NewTopic(name) for name in ("a", "b", "c")]
            created = await metadata.create_topics(requests, timeout_ms=_LONG_TIMEOUT_MS)
            results = await metadata.delete_topics(
                ["a", "missing"], [created[1].topic_id, bytes(16)], timeout_ms=_LONG_TIMEOUT_MS
            )
            assert [result.refusal for result in results] == [
                None,
                TopicRefusal.UNKNOWN_TOPIC,
                None,
                TopicRefusal.UNKNOWN_TOPIC_ID,
            ]
            assert [result.name for result in results] == ["a", "missing", "b", None]
            assert [result.topic_id for result in results] == [
                created[0].topic_id,
                None,
                created[1].topic_id,
                bytes(16),
            ]
            assert [topic.name for topic in view.topics] == ["c"]

    @in_cluster
    async def test_a_topic_named_twice_in_one_deletion_is_not_deleted(self, metadata):
        async with following(metadata, PARTITION_0) as view:
            [created] = await metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
            for names, ids in ((["t", "t"], []), (["t"], [created.topic_id])):
                results = await metadata.delete_topics(names, ids, timeout_ms=_LONG_TIMEOUT_MS)
                assert [result.refusal for result in results] == [TopicRefusal.INVALID_REQUEST] * 2
            assert view.topic("t") is not None

    @in_cluster
    async def test_a_topic_created_again_has_another_id(self, metadata):
        async with following(metadata, PARTITION_0) as view:
            [first] = await metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
            await metadata.delete_topics(["t"], timeout_ms=_LONG_TIMEOUT_MS)
            [second] = await metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
            assert first.topic_id != second.topic_id
            assert view.topic_by_id(first.topic_id) is None
            assert view.topic("t").topic_id == second.topic_id

    @in_cluster
    async def test_producer_ids_are_never_repeated(self, metadata):
        blocks = await asyncio.gather(*(metadata.allocate_producer_ids() for _ in range(20)))
        ids = [block.first + number for block in blocks for number in range(block.count)]
        assert len(ids) == len(set(ids)) >= 20_000
        assert min(ids) >= 0

    @in_cluster
    async def test_a_new_watch_takes_over_the_registration(self, metadata):
        restarted = replace(gateway(0), rack="r2")
        async with (
            following(metadata, PARTITION_0),
            following(metadata, gateway(1)) as other_view,
            watching(metadata, gateway(0)) as before,
        ):
            await change_with(before, lambda change: change.is_snapshot)
            async with following(metadata, restarted) as after:
                assert after.gateway(0) == restarted
                with pytest.raises(BackendUnavailable, match="taken over"):
                    await change_with(before, lambda _: False)
                # The end of the old watch must not unregister the gateway of the new one.
                await before.close()
                await metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
                assert other_view.gateway(0) == restarted
                assert after.topic("t") is not None

    @in_cluster
    async def test_a_node_id_is_refused_while_another_gateway_with_it_is_alive(self, metadata):
        other = gateway(0, port=9999)
        async with following(metadata, gateway(0)) as view:
            async with watching(metadata, other) as watch:
                with pytest.raises(RegistrationRefused, match="node id 0 is taken"):
                    await change_with(watch, lambda _: False)
            assert view.gateway(0) == gateway(0)
        async with following(metadata, other) as view:
            assert view.gateway(0) == other

    @in_cluster
    async def test_a_member_that_returns_at_another_address_keeps_its_partitions(self, metadata):
        async with following(metadata, gateway(0)) as view:
            async with following(metadata, PARTITION_0):
                await metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
            moved = Member("partition-0", "new-host:9292")
            async with following(metadata, moved) as own, following(metadata, Member("a", "a:1")):
                assert own.topic("t").partitions[0].owner == "partition-0"
                [result] = await metadata.create_topics(
                    [NewTopic("u")], timeout_ms=_LONG_TIMEOUT_MS
                )
                assert result.topic.partitions[0].owner == "a"
                assert view.member("partition-0") == moved
                assert view.topic("t").partitions[0].owner == "partition-0"

    @in_cluster
    async def test_a_watch_that_was_closed_ends_without_an_error(self, metadata):
        async with watching(metadata, gateway(0)) as watch:
            changes = aiter(watch)
            await anext(changes)
            waiting = asyncio.create_task(anext(changes))
            # The task usually waits after one iteration of the loop; the test holds if it does not.
            await asyncio.sleep(0)
            await watch.close()
            with pytest.raises(StopAsyncIteration):
                await waiting

    @in_cluster
    async def test_closing_twice_or_before_the_first_change_is_no_error(self, metadata):
        watch = metadata.watch(gateway(0))
        await watch.close()
        await watch.close()
        async with following(metadata, PARTITION_0) as view:
            assert view.gateways == ()

    @in_cluster
    async def test_no_change_waits_for_a_watcher_cancelled_while_registering(self, metadata):
        async with following(metadata, PARTITION_0):
            for _ in range(20):
                watch = metadata.watch(gateway(0))
                registering = asyncio.create_task(anext(aiter(watch)))
                await asyncio.sleep(0)
                registering.cancel()
                with suppress(asyncio.CancelledError):
                    await registering
                await watch.close()
            [result] = await metadata.create_topics([NewTopic("t")], timeout_ms=_LONG_TIMEOUT_MS)
            assert result.refusal is None

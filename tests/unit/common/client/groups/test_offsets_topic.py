import asyncio

import pytest

from common.client.groups.offsets_topic import OffsetsTopic
from common.cluster.view import ClusterView
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.metadata import ClusterChange
from common.ports.unavailable import BackendUnavailable
from tests.unit.gateway_svc.handlers.fake_cluster import FakeMetadata


def empty_view():
    view = ClusterView()
    view.apply(ClusterChange(1, "c", is_snapshot=True))
    return view


def test_concurrent_callers_share_one_creation():
    async def scenario():
        metadata = FakeMetadata(empty_view())
        topic = OffsetsTopic(metadata.view, metadata, partition_count=5)
        topics = await asyncio.gather(*(topic.get() for _ in range(9)))
        assert {topic.name for topic in topics} == {OFFSETS_TOPIC}
        (created,) = metadata.created
        assert created.partition_count == 5
        assert created.configs == {
            "cleanup.policy": "compact",
            "max.message.bytes": "16777216",
            "segment.bytes": "1048576",
        }
        await topic.close()

    asyncio.run(scenario())


def test_failed_creation_is_retried_by_the_next_caller():
    async def scenario():
        metadata = FakeMetadata(empty_view(), error=BackendUnavailable("unreachable"))
        topic = OffsetsTopic(metadata.view, metadata, partition_count=5)
        with pytest.raises(BackendUnavailable):
            await topic.get()
        metadata.error = None
        assert (await topic.get()).name == OFFSETS_TOPIC

    asyncio.run(scenario())


def test_cancelled_caller_does_not_end_the_creation_for_others():
    async def scenario():
        metadata = FakeMetadata(empty_view())
        topic = OffsetsTopic(metadata.view, metadata, partition_count=5)
        impatient, patient = (asyncio.create_task(topic.get()) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).name == OFFSETS_TOPIC
        assert len(metadata.created) == 1

    asyncio.run(scenario())


def test_created_topic_is_unavailable_until_the_view_has_it():
    async def scenario():
        metadata = FakeMetadata(empty_view(), results=[])
        topic = OffsetsTopic(metadata.view, metadata, partition_count=5)
        with pytest.raises(BackendUnavailable):
            await topic.get()

    asyncio.run(scenario())

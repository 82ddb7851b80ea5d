import asyncio

import pytest

from common.config.settings import build
from common.kv.store import KvStoreFailed
from common.ports.metadata import NewTopic
from metadata_svc.assembly import open_core, services_of
from metadata_svc.config import MetadataSettings, TopicDefaults
from tests.contracts.metadata_contract import PARTITION_0, following


def settings(tmp_path, **options):
    raw = {name.replace("_", "."): value for name, value in options.items()}
    return build(MetadataSettings, {"data.dir": str(tmp_path), **raw})


def run(body):
    async def bounded():
        async with asyncio.timeout(120):
            await body()

    asyncio.run(bounded())


def test_settings_reach_the_core_and_its_watchers(tmp_path):
    async def body():
        own = settings(tmp_path, num_partitions="5")
        defaults = build(TopicDefaults, {"message.max.bytes": "7"})
        async with open_core(own, defaults) as core, following(core, PARTITION_0) as view:
            [result] = await core.create_topics([NewTopic("t")], timeout_ms=30_000)
            assert len(result.topic.partitions) == 5
            assert dict(view.broker_configs) == {
                "num.partitions": "5",
                "default.replication.factor": "1",
                "message.max.bytes": "7",
            }

    run(body)


def test_a_store_that_is_in_use_is_refused(tmp_path):
    async def body():
        defaults = build(TopicDefaults, {})
        async with open_core(settings(tmp_path), defaults):
            with pytest.raises(KvStoreFailed, match="in use"):
                async with open_core(settings(tmp_path), defaults):
                    pass

    run(body)


def test_services_of_a_core_are_metadata_and_ring(tmp_path):
    async def body():
        async with open_core(settings(tmp_path), build(TopicDefaults, {})) as core:
            names = [service.name for service in services_of(core)]
            assert names == ["metadata.v1.MetadataService", "metadata.v1.RingService"]

    run(body)

import asyncio

from common.ports.partitions import LogDescription, LogId, Refusal
from partition_svc.log.read.log_descriptions import LogDescriptions
from partition_svc.store.failures import StorageFailed
from tests.support.stores.partition_core import LOG, append, batch, running_core


def describe(find, log_id):
    async def count(_):
        return 0

    descriptions = LogDescriptions(find, count_producers=count, uncleanable_reason=lambda _: "")
    return asyncio.run(descriptions.describe(log_id))


def test_description_has_the_offsets_size_and_producers_of_a_log(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            await append(core, batch(count=3, producer=(7, 0, 0)))
            (found,) = await core.describe_logs([LOG])
            size_bytes = core._registry.find(LOG).head.size_bytes
            assert found == LogDescription(LOG, 0, 3, 3, size_bytes, found.leader_epoch, 1)
            assert size_bytes > 0

    asyncio.run(test())


def test_description_of_an_unavailable_log_is_its_refusal():
    log_id = LogId(bytes(16), 1)

    def fail(_):
        raise StorageFailed("broken")

    assert describe(lambda _: Refusal.NOT_OWNER, log_id).refusal is Refusal.NOT_OWNER
    assert describe(fail, log_id).refusal is Refusal.KAFKA_STORAGE_ERROR

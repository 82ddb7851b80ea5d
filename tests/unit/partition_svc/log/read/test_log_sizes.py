import asyncio

from common.ports.partitions import LogId
from tests.support.stores.partition_core import LOG, TOPIC_ID, append, batch, running_core, topic

OTHER_LOG = LogId(b"another of 16 by", 0)


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_limits())


def test_all_logs_with_batches_have_their_sizes(tmp_path):
    async def test():
        count = 700
        async with running_core(tmp_path, topic(partitions=count)) as core:
            logs = [LogId(TOPIC_ID, number) for number in range(0, count, 2)]
            waiting = [append(core, batch(size=100), log=log, acks=1) for log in logs]
            await asyncio.gather(*waiting)
            size = len(batch(size=100))
            assert await core.sizes.all_logs() == dict.fromkeys(logs, size)
        async with running_core(tmp_path, topic(partitions=count)) as core:
            assert core.sizes.open_logs() == {}
            assert await core.sizes.all_logs() == dict.fromkeys(logs, size)
            await append(core, batch(size=100))
            assert core.sizes.open_logs() == {LOG: 2 * size}

    run(test)


def test_sizes_exclude_logs_of_other_members(tmp_path):
    async def test():
        async with running_core(tmp_path, topic(), topic(OTHER_LOG.topic_id)) as core:
            await append(core, batch())
            await append(core, batch(), log=OTHER_LOG)
        # Under the same epoch, so that the log is not deleted either.
        topic_of_another_member = topic(OTHER_LOG.topic_id, owner="partition-9")
        async with running_core(tmp_path, topic(), topic_of_another_member) as core:
            assert set(await core.sizes.all_logs()) == {LOG}

    run(test)

import pytest

from common.kv.store import KvStoreFailed
from common.ports.metadata import NewTopic, TopicRefusal
from common.ports.unavailable import BackendUnavailable
from tests.contracts.metadata_contract import PARTITION_0, following
from tests.support.stores.memory_store import MemoryKvStore
from tests.unit.metadata_svc.test_core import open_core, run


class FailingStore(MemoryKvStore):
    is_broken = False

    def write(self, batch, *, sync):
        if self.is_broken:
            raise KvStoreFailed("no space left on device")
        super().write(batch, sync=sync)


def test_changes_are_refused_while_the_store_fails_and_accepted_afterwards(caplog):
    async def body():
        store = FailingStore()
        async with open_core(store) as core, following(core, PARTITION_0) as view:
            store.is_broken = True
            results = await core.create_topics([NewTopic("t"), NewTopic("a b")], timeout_ms=30_000)
            assert [result.refusal for result in results] == [
                TopicRefusal.STORAGE_ERROR,
                TopicRefusal.INVALID_TOPIC_NAME,
            ]
            assert view.topic("t") is None
            with pytest.raises(BackendUnavailable):
                await core.allocate_producer_ids()
            store.is_broken = False
            [result] = await core.create_topics([NewTopic("t")], timeout_ms=30_000)
            assert result.refusal is None
            store.is_broken = True
            [result] = await core.delete_topics(["t"], timeout_ms=30_000)
            assert result.refusal is TopicRefusal.STORAGE_ERROR
            assert view.topic("t") is not None

    run(body)
    assert "failed to create topics t: no space left on device" in caplog.text
    assert "failed to delete topics t: no space left on device" in caplog.text


def test_a_log_line_names_a_few_topics_and_the_number_of_others(caplog):
    caplog.set_level("INFO")

    async def body():
        async with open_core() as core, following(core, PARTITION_0):
            topics = [NewTopic(f"t{number}") for number in range(7)]
            await core.create_topics(topics, timeout_ms=30_000)
            await core.delete_topics(["t0"], timeout_ms=30_000)

    run(body)
    assert "created topics t0, t1, t2, t3, t4 and 2 more, revision" in caplog.text
    assert "deleted topics t0, revision" in caplog.text

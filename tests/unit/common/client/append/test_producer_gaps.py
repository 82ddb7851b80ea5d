import asyncio

from common.client.append.append_call import AppendCall, QueuedAppend
from common.client.append.producer_gaps import NO_PRODUCER_ID, ProducerGaps, producer_id_of
from common.ports.partitions import Append, LogId
from common.records.sequence_gaps import GAP_S
from tests.support.virtual_time import run_in_virtual_time
from tests.unit.common.client.model_producers import batch_of

LOG, OTHER = LogId(b"x" * 16, 0), LogId(b"x" * 16, 1)


def item(batch, log=LOG):
    return QueuedAppend(Append(log, batch), -1, AppendCall(1), 0, 0.0)


def test_each_log_has_its_own_gaps():
    async def scenario():
        gaps = ProducerGaps()
        gaps.open([item(batch_of(7, 1)), item(b"of no producer")])
        assert gaps.exist_in(LOG)
        assert not gaps.exist_in(OTHER)
        assert not gaps.admit(item(batch_of(7, 2)))
        assert gaps.admit(item(b"of no producer"))
        assert gaps.admit(item(batch_of(7, 2), OTHER))
        assert [gaps.admit(item(batch_of(7, n))) for n in (1, 2)] == [True, True]
        assert not gaps.exist_in(LOG)

    run_in_virtual_time(scenario())


def test_old_gaps_and_those_of_deleted_logs_are_removed():
    async def scenario():
        gaps = ProducerGaps()
        gaps.open([item(batch_of(7, 1)), item(batch_of(7, 1), OTHER)])
        gaps.forget(lambda log: log == OTHER)
        assert [gaps.exist_in(log) for log in (LOG, OTHER)] == [True, False]
        await asyncio.sleep(GAP_S)
        gaps.expire()
        assert not gaps._logs

    run_in_virtual_time(scenario())


def test_producer_id_of_an_append_is_read_from_its_batch():
    async def scenario():
        assert producer_id_of(item(batch_of(7, 1))) == 7
        assert producer_id_of(item(b"short")) == NO_PRODUCER_ID

    run_in_virtual_time(scenario())

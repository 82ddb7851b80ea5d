import asyncio

from common.ports.partitions import AppendResult, Refusal
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.staged_batch import AppendReply, StagedBatch


def reply_with_batches(count):
    reply = AppendReply(asyncio.get_running_loop().create_future())
    log = PartitionLog.__new__(PartitionLog)
    staged = [
        StagedBatch(log, b"x", n, n + 1, -1, 0, None, reply, reply.expect(AppendResult(5)))
        for n in range(count)
    ]
    return reply, staged


def test_reply_is_sent_when_its_last_batch_completes():
    async def test():
        reply, staged = reply_with_batches(3)
        assert [staged_batch.position for staged_batch in staged] == [0, 1, 2]
        reply.complete()
        assert not reply.future.done()
        reply.complete(2)
        assert reply.future.result() == [AppendResult(5)] * 3

    asyncio.run(test())


def test_reply_refuses_only_the_rejected_batch():
    async def test():
        reply, (first, _) = reply_with_batches(2)
        first.reject(Refusal.KAFKA_STORAGE_ERROR, "why")
        reply.complete()
        assert reply.future.result() == [
            AppendResult(refusal=Refusal.KAFKA_STORAGE_ERROR, message="why"),
            AppendResult(5),
        ]

    asyncio.run(test())


def test_cancelled_caller_does_not_disturb_the_reply():
    async def test():
        reply, _ = reply_with_batches(1)
        reply.future.cancel()
        reply.complete()
        assert reply.future.cancelled()

    asyncio.run(test())

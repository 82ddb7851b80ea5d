import asyncio

from common.ports.partitions import AppendResult, Refusal
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.staged_batch import Staged, Submission


def submission_of(count):
    submission = Submission(asyncio.get_running_loop().create_future())
    log = PartitionLog.__new__(PartitionLog)
    staged = [
        Staged(log, b"x", n, n + 1, -1, 0, None, submission, submission.expect(AppendResult(5)))
        for n in range(count)
    ]
    return submission, staged


def test_a_call_is_answered_when_its_last_batch_is():
    async def test():
        submission, staged = submission_of(3)
        assert [one.position for one in staged] == [0, 1, 2]
        submission.settle()
        assert not submission.future.done()
        submission.settle(2)
        assert submission.future.result() == [AppendResult(5)] * 3

    asyncio.run(test())


def test_a_failed_batch_is_a_refusal_and_nothing_else_is():
    async def test():
        submission, (first, _) = submission_of(2)
        first.fail(Refusal.STORAGE_ERROR, "why")
        submission.settle()
        assert submission.future.result() == [
            AppendResult(refusal=Refusal.STORAGE_ERROR, message="why"),
            AppendResult(5),
        ]

    asyncio.run(test())


def test_nobody_minds_a_caller_that_went_away():
    async def test():
        submission, _ = submission_of(1)
        submission.future.cancel()
        submission.settle()
        assert submission.future.cancelled()

    asyncio.run(test())

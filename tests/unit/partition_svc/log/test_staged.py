import asyncio

from common.ports.partitions import AppendResult, Refusal
from partition_svc.log.partition_log import PartitionLog
from partition_svc.log.staged import Staged, Submission


def submission_of(count):
    submission = Submission(asyncio.get_running_loop().create_future())
    submission.remaining = count
    staged = []
    for number in range(count):
        one = Staged(PartitionLog.__new__(PartitionLog), b"x", number, number + 1, AppendResult(5))
        one.submission = submission
        submission.results.append(one.result)
        staged.append(one)
    return submission, staged


def test_a_call_is_answered_when_its_last_batch_is():
    async def test():
        submission, (first, second) = submission_of(2)
        second.settle()
        assert not submission.future.done()
        first.settle()
        assert submission.future.result() == [AppendResult(5), AppendResult(5)]

    asyncio.run(test())


def test_a_failed_batch_is_a_refusal_and_nothing_else_is():
    async def test():
        submission, (first, second) = submission_of(2)
        first.fail(Refusal.STORAGE_ERROR, "why")
        second.settle()
        assert submission.future.result() == [
            AppendResult(refusal=Refusal.STORAGE_ERROR, message="why"),
            AppendResult(5),
        ]

    asyncio.run(test())


def test_nobody_minds_a_caller_that_went_away():
    async def test():
        submission, (one,) = submission_of(1)
        submission.future.cancel()
        one.settle()
        assert submission.future.cancelled()

    asyncio.run(test())

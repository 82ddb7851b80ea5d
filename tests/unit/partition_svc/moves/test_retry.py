import asyncio
import gc
import weakref

from common.ports.unavailable import BackendUnavailable
from partition_svc.moves import retry
from partition_svc.moves.retry import retry_until_done
from partition_svc.store.failures import StorageFailed


class Attempts:
    """Fails with each of `failures`, then succeeds."""

    def __init__(self, *failures):
        self.failures = list(failures)

    async def __call__(self):
        if self.failures:
            raise self.failures.pop(0)


def test_retriable_failures_are_retried_and_logged_once(caplog):
    attempts = Attempts(
        BackendUnavailable("no leader"), BackendUnavailable("no leader"), StorageFailed("full")
    )
    asyncio.run(retry_until_done("moving", attempts))
    assert not attempts.failures
    assert [record.message for record in caplog.records] == [
        "moving failed, retrying: BackendUnavailable no leader",
        "moving failed, retrying: StorageFailed full",
    ]


def test_a_bug_is_logged_with_its_traceback_and_retried_with_long_pauses(caplog, monkeypatch):
    pauses, reasons = [], []

    async def sleep(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(retry.asyncio, "sleep", sleep)
    attempts = Attempts(*(ZeroDivisionError(n) for n in range(8)), StorageFailed("full"))
    asyncio.run(retry_until_done("moving", attempts, on_failure=reasons.append))
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pauses[8] <= 1
    assert reasons[0] == "ZeroDivisionError(0)"
    assert caplog.records[0].exc_info[0] is ZeroDivisionError
    assert reasons[-1] == "StorageFailed full"


def test_failure_is_not_referenced_while_a_retry_waits():
    class Resource:
        pass

    references = []

    async def attempt():
        if not references:
            resource = Resource()
            references.append(weakref.ref(resource))
            raise StorageFailed("broken")
        gc.collect()
        assert references[0]() is None

    asyncio.run(retry_until_done("moving", attempt))

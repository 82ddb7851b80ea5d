import asyncio
import gc
import weakref

import pytest

from common.ports.unavailable import BackendUnavailable
from partition_svc.moving.retrying import keep_trying
from partition_svc.store.failures import StorageFailed


class Attempts:
    """Fails with each of `failures`, then succeeds."""

    def __init__(self, *failures):
        self.left = list(failures)

    async def __call__(self):
        if self.left:
            raise self.left.pop(0)


def test_what_passes_is_tried_again_and_told_once(caplog):
    attempts = Attempts(
        BackendUnavailable("away"), BackendUnavailable("away"), StorageFailed("full")
    )
    asyncio.run(keep_trying("moving", attempts))
    assert not attempts.left
    assert [one.message for one in caplog.records] == [
        "moving: BackendUnavailable away; trying again",
        "moving: StorageFailed full; trying again",
    ]


def test_a_bug_is_not_tried_again():
    with pytest.raises(ZeroDivisionError):
        asyncio.run(keep_trying("moving", Attempts(ZeroDivisionError())))


def test_nothing_holds_on_to_a_failure_while_it_waits():
    class Held:
        pass

    held = []

    async def attempt():
        if not held:
            something = Held()
            held.append(weakref.ref(something))
            raise StorageFailed("broken")
        gc.collect()
        assert held[0]() is None

    asyncio.run(keep_trying("moving", attempt))

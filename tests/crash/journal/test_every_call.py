"""A crash or a failure at each call that changes the disk, one after another.

The calls are those of the journal, of RocksDB and of the mark beside them: writes, syncs,
allocations, and files that are created, renamed and removed.
"""

import errno
import itertools
import signal
from random import Random

import pytest

from tests.support.stores.crash_runs import CrashingStore
from tests.support.stores.faulty_disk import CHANGES, TORN

pytestmark = pytest.mark.slow

STEPS = ("write", "sync", "write", "roll", "extend", "write", "remove", "write", "sync", "write")
#: Of the opening after it, which leaves something to replay.
NEXT_STEPS = ("write", "sync", "write")
#: Fewer calls than the steps make, so that the test cannot end early.
CALLS_MIN = 40


@pytest.fixture
def store(tmp_path):
    with CrashingStore(tmp_path) as store:
        yield store


@pytest.mark.parametrize("loses_power", [False, True], ids=["kill", "power loss"])
@pytest.mark.parametrize("is_new", [False, True], ids=["replays", "begins"])
def test_crash_at_each_call_leaves_whole_groups(store, is_new, loses_power):
    for number in itertools.count():
        if is_new:
            store.begin_new_store()
        store.disk.fail(CHANGES, error=-signal.SIGKILL, after=number)
        store.run(number, STEPS)
        has_crashed = store.disk.failures > 0
        store.disk.heal()
        if loses_power:
            store.cut_power(Random(number))
        store.run(-number, NEXT_STEPS)
        if not has_crashed:
            break
    assert number > CALLS_MIN


@pytest.mark.parametrize("is_new", [False, True], ids=["replays", "begins"])
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_failure_of_each_call_loses_nothing_and_heals(store, error, is_new):
    for number in itertools.count():
        if is_new:
            store.begin_new_store()
        store.disk.fail(CHANGES | TORN, error=getattr(errno, error), times=1, after=number)
        store.run(number, STEPS)
        has_failed = store.disk.failures > 0
        store.disk.heal()
        if number % 2:
            store.cut_power(Random(number))
        store.run(-number, NEXT_STEPS)
        if not has_failed:
            break
    assert number > CALLS_MIN

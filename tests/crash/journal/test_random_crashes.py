"""Random groups in all column families, random crashes, and a model of what must be left.

Each crash is SIGKILL after some steps, SIGKILL at some call that changes the disk (also one of
RocksDB's threads, and while a start replays), or calls that fail with EIO or ENOSPC; half of them
lose power as well. COUNT says how many there are, SEED what happens; `make soak` runs 10,000.
"""

import os

import pytest

from tests.support.stores.crash_runs import crash_at_random

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("COUNT", "300"))
SEED = int(os.environ.get("SEED", "1"))


def test_store_has_a_prefix_of_whole_groups_after_each_crash(tmp_path):
    crashes = crash_at_random(tmp_path, SEED, COUNT)
    assert all(crashes.values()), f"a kind of crash never came: {crashes}"

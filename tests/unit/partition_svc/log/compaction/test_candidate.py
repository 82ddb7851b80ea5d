import asyncio

import pytest

from partition_svc.log.compaction.candidate import find_candidate
from tests.support.stores.compacted_logs import EAGER, START_MS, begin_segment, fill, run_compaction
from tests.support.stores.partition_core import LOG, running_core, topic


def run(test, folder, **configs):
    async def within_limits():
        async with (
            asyncio.timeout(60),
            running_core(folder, topic(configs={**EAGER, **configs}), cleaner_enable=False) as core,
        ):
            await test(core)

    asyncio.run(within_limits())


def candidate_of(core, now_ms=START_MS):
    return find_candidate(core._registry.find(LOG), core._store.reader, now_ms)


async def fill_segments(core, *counts, at_ms=START_MS):
    """Appends segments with these numbers of batches, of one record and one size each."""
    for number, count in enumerate(counts):
        if number:
            await begin_segment(core)
        for index in range(count):
            await fill(core, [(b"%d-%03d" % (number, index), b"v")], at_ms=at_ms + number)


def test_the_newest_segment_is_skipped(tmp_path):
    async def test(core):
        assert candidate_of(core) is None
        await fill_segments(core, 4)
        assert candidate_of(core) is None
        await begin_segment(core)
        assert candidate_of(core) is None
        await fill(core, [(b"a", b"v")])
        assert candidate_of(core)[1:] == (0, 4, candidate_of(core).dirty_bytes, 1.0)

    run(test, tmp_path)


def test_candidate_ends_at_the_high_watermark(tmp_path):
    async def test(core):
        await fill_segments(core, 4, 1)
        core._registry.find(LOG).high_watermark = 2
        assert candidate_of(core).end == 2

    run(test, tmp_path)


@pytest.mark.parametrize(
    ("ratio", "is_candidate"), [("0.2", True), ("0.33", True), ("0.34", False)]
)
def test_log_is_a_candidate_if_its_dirty_ratio_is_high_enough(tmp_path, ratio, is_candidate):
    async def test(core):
        await fill_segments(core, 8, 4)
        await run_compaction(core, now_ms=START_MS)
        assert candidate_of(core) is None
        await begin_segment(core)
        await fill(core, [(b"a", b"v")])
        candidate = candidate_of(core)
        assert (candidate is not None) == is_candidate
        if candidate is not None:
            assert (candidate.first_dirty, candidate.end) == (8, 12)

    run(test, tmp_path, **{"min.cleanable.dirty.ratio": ratio})


def test_candidate_excludes_records_younger_than_the_minimum_lag(tmp_path):
    """min.compaction.lag.ms, with batches of 5 KB: the time index has an entry every 4 KB."""

    async def test(core):
        for number in range(10):
            await fill(core, [(b"a", b"v" * 5000)], at_ms=START_MS + number * 100)
        await begin_segment(core)
        await fill(core, [(b"a", b"v")], at_ms=START_MS + 1000)
        assert candidate_of(core, START_MS + 1000) is None
        assert candidate_of(core, START_MS + 1450).end == 5
        assert candidate_of(core, START_MS + 2500).end == 10

    run(test, tmp_path, **{"min.compaction.lag.ms": "1000"})


def test_log_is_a_candidate_once_a_record_is_older_than_the_maximum_lag(tmp_path):
    """max.compaction.lag.ms"""

    async def test(core):
        await fill_segments(core, 4, 1)
        assert candidate_of(core, START_MS + 1000) is None
        assert candidate_of(core, START_MS + 1001).end == 4

    run(test, tmp_path, **{"max.compaction.lag.ms": "1000", "min.cleanable.dirty.ratio": "1"})

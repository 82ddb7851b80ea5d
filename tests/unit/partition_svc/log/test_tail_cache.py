import random

import pytest

from partition_svc.log.tail_cache import LogTail, TailCache
from partition_svc.store.reading import ReadLimits

EVERYTHING = ReadLimits(1 << 30, 1 << 30, at_least_one=True)


def two_records(base_offset, size):
    """Returns the part of a batch that the cache reads."""
    return base_offset.to_bytes(8, "big") + bytes(15) + (1).to_bytes(4, "big") + bytes(size - 27)


def fill(cache, tail, count, *, start=0, size=100):
    """Adds `count` batches of two offsets each."""
    for number in range(count):
        base = start + number * 2
        cache.add(tail, base, base + 1, [two_records(base, size)])


def offsets(run):
    return [int.from_bytes(batch[:8], "big") for batch in run.batches]


def test_read_returns_the_cached_batches_from_any_offset():
    cache, tail = TailCache(1 << 20), LogTail()
    fill(cache, tail, 5, start=100)
    assert offsets(tail.read(100, 1000, EVERYTHING)) == [100, 102, 104, 106, 108]
    run = tail.read(105, 1000, EVERYTHING)
    assert (offsets(run), run.next_offset, run.size_bytes) == ([104, 106, 108], 110, 300)


def test_read_before_the_cached_part_returns_none():
    cache, tail = TailCache(1 << 20), LogTail()
    assert tail.read(0, 10, EVERYTHING) is None
    fill(cache, tail, 5, start=100)
    assert tail.read(99, 1000, EVERYTHING) is None


def test_reads_stop_at_the_end_offset():
    cache, tail = TailCache(1 << 20), LogTail()
    fill(cache, tail, 5)
    assert offsets(tail.read(0, 4, EVERYTHING)) == [0, 2]
    assert tail.read(4, 4, EVERYTHING).batches == []


def test_a_read_stops_at_its_limits_between_batches():
    cache, tail = TailCache(1 << 20), LogTail()
    fill(cache, tail, 5)
    assert offsets(tail.read(0, 10, ReadLimits(250, 250, at_least_one=True))) == [0, 2]
    assert offsets(tail.read(0, 10, ReadLimits(1000, 150, at_least_one=True))) == [0, 2]
    assert offsets(tail.read(2, 10, ReadLimits(50, 50, at_least_one=True))) == [2]
    run = tail.read(2, 10, ReadLimits(50, 50, at_least_one=False))
    assert (run.batches, run.next_offset) == ([], 2)


def test_the_oldest_batch_of_all_logs_is_evicted_first():
    cache = TailCache(900)
    first, second = LogTail(), LogTail()
    fill(cache, first, 2)
    fill(cache, second, 1)
    assert cache.size_bytes == 900
    fill(cache, second, 1, start=2)
    assert cache.size_bytes == 900
    assert first.read(0, 10, EVERYTHING) is None
    assert offsets(first.read(2, 10, EVERYTHING)) == [2]
    assert offsets(second.read(0, 10, EVERYTHING)) == [0, 2]


def test_a_batch_larger_than_the_cache_empties_it():
    cache, tail = TailCache(1000), LogTail()
    fill(cache, tail, 2)
    fill(cache, tail, 1, start=4, size=5000)
    assert cache.size_bytes == 0
    assert tail.read(4, 10, EVERYTHING) is None
    fill(cache, tail, 1, start=6)
    assert offsets(tail.read(6, 10, EVERYTHING)) == [6]


def test_forgotten_log_takes_no_memory_and_can_be_cached_again():
    cache = TailCache(1 << 20)
    first, second = LogTail(), LogTail()
    fill(cache, first, 3)
    fill(cache, second, 3)
    cache.forget(first)
    cache.forget(LogTail())
    assert cache.size_bytes == 900
    assert first.read(4, 10, EVERYTHING) is None
    fill(cache, first := LogTail(), 1, start=2)
    assert offsets(first.read(2, 10, EVERYTHING)) == [2]
    assert offsets(second.read(0, 10, EVERYTHING)) == [0, 2, 4]


def test_queue_entries_of_a_forgotten_log_free_no_bytes_when_evicted():
    cache = TailCache(900)
    first, second = LogTail(), LogTail()
    fill(cache, first, 2)
    cache.forget(first)
    fill(cache, second, 3)
    assert cache.size_bytes == 900
    fill(cache, second, 1, start=6)
    assert cache.size_bytes == 900
    assert second.first_offset == 2


@pytest.mark.parametrize("seed", range(5))
def test_random_appends_stay_within_the_limit_and_without_gaps(seed):
    rng = random.Random(seed)
    cache = TailCache(30_000)
    tails = [LogTail() for _ in range(3)]
    ends = [0, 0, 0]
    for _ in range(1000):
        log = rng.randrange(3)
        bases = range(ends[log], ends[log] + 2 * rng.randrange(1, 6), 2)
        batches = [two_records(base, rng.randrange(30, 400)) for base in bases]
        cache.add(tails[log], bases[0], bases[-1] + 1, batches)
        ends[log] = bases[-1] + 2
        assert cache.size_bytes <= 30_000
        offset = rng.randrange(ends[log] + 1)
        run = tails[log].read(offset, ends[log], EVERYTHING)
        if run is not None:
            assert offsets(run) == list(range(offset // 2 * 2, ends[log], 2))


def test_forget_before_drops_batches_and_frees_their_memory():
    cache, tail, other = TailCache(3000), LogTail(), LogTail()
    fill(cache, tail, 5)
    cache.forget_before(tail, 5)
    assert tail.read(4, 1000, EVERYTHING) is None
    assert offsets(tail.read(6, 1000, EVERYTHING)) == [6, 8]
    assert cache.size_bytes == 600
    cache.forget_before(tail, 100)
    cache.forget_before(tail, 100)
    assert (tail.is_filled, cache.size_bytes) == (False, 0)
    # Queue entries without a batch have no effect.
    fill(cache, other, 20)
    assert cache.size_bytes <= 3000
    assert offsets(other.read(38, 1000, EVERYTHING)) == [38]


def test_batches_added_together_are_evicted_together():
    cache, tail, other = TailCache(1500), LogTail(), LogTail()
    cache.add(tail, 0, 5, [two_records(base, 100) for base in (0, 2, 4)])
    fill(cache, other, 2)
    assert tail.is_filled
    fill(cache, other, 1, start=4)
    assert (tail.is_filled, cache.size_bytes) == (False, 900)
    # Also if only some are dropped; dropped batches do not evict others.
    cache.add(tail := LogTail(), 0, 3, [two_records(base, 100) for base in (0, 2)])
    cache.forget_before(tail, 1)
    assert (tail.is_filled, cache.size_bytes) == (False, 900)
    fill(cache, other, 2, start=6)
    assert (other.first_offset, cache.size_bytes) == (0, 1500)


@pytest.mark.parametrize("seed", range(5))
def test_runs_are_read_like_single_batches(seed):
    rng = random.Random(seed)
    cache, together, apart = TailCache(1 << 20), LogTail(), LogTail()
    end = 0
    for _ in range(50):
        run = [two_records(end + 2 * n, rng.randrange(30, 300)) for n in range(1 + _ % 7)]
        cache.add(together, end, end + 2 * len(run) - 1, run)
        for batch in run:
            cache.add(apart, end, end + 1, [batch])
            end += 2
    for _ in range(500):
        bytes_max, log_bytes_max = rng.randrange(5000), rng.randrange(5000)
        limits = ReadLimits(bytes_max, log_bytes_max, at_least_one=rng.random() < 0.5)
        arguments = rng.randrange(end), rng.randrange(end + 1), limits
        assert together.read(*arguments) == apart.read(*arguments)


def test_queue_stays_short_when_batches_are_forgotten_early():
    cache = TailCache(1 << 20)
    compacted, quiet, mixed = LogTail(), LogTail(), LogTail()
    cache.add(quiet, 0, 9, [bytes(100)])
    for number in range(20_000):
        # A log that is compacted all the time, and one that is forgotten and cached again.
        cache.add(compacted, number, number, [bytes(10)])
        cache.forget_before(compacted, number)
        cache.add(mixed, number, number, [bytes(10)])
        if number % 10 == 9:
            cache.forget(mixed)
            mixed = LogTail()
        assert len(cache._oldest_first) < 2_200
    assert quiet.is_filled
    assert compacted.run_count == 1


def test_batches_are_evicted_in_order_after_stale_queue_entries_were_removed():
    cache = TailCache(100_000)
    first, forgotten, second = LogTail(), LogTail(), LogTail()
    cache.add(first, 0, 0, [bytes(40_000)])
    for number in range(3_000):
        cache.add(forgotten, number, number, [bytes(1)])
        cache.forget_before(forgotten, number + 1)
    cache.add(second, 0, 0, [bytes(40_000)])
    cache.add(second, 1, 1, [bytes(40_000)])
    assert not first.is_filled
    assert second.run_count == 2
    assert cache.size_bytes == 2 * 40_200

import asyncio

from common.ports.partitions import FetchPartition, FetchQuery, FetchResult, Refusal
from partition_svc.log.read.pending_fetch import PartitionRead, PendingFetch
from partition_svc.store.reading import ReadLimits
from tests.support.stores.partition_core import TOPIC_ID


def new_fetch(*max_bytes, min_bytes=100, bytes_max=1000, end_of_wait=None):
    partitions = [FetchPartition((TOPIC_ID, n), 0, limit) for n, limit in enumerate(max_bytes)]
    query = FetchQuery(partitions, 0, min_bytes, bytes_max, end_of_wait=end_of_wait)
    return PendingFetch(query, bytes_max)


def new_read(size_bytes, **fields):
    return PartitionRead(FetchResult(), size_bytes=size_bytes, **fields)


def test_reads_count_towards_the_minimum_and_a_repeated_read_replaces_its_first():
    fetch = new_fetch(500, 500)
    assert fetch.missing_bytes == 100
    fetch.add(new_read(30))
    fetch.add(new_read(20))
    assert (fetch.size_bytes, fetch.missing_bytes) == (50, 50)
    fetch.replace(0, new_read(90))
    assert (fetch.size_bytes, fetch.missing_bytes) == (110, -10)


def test_a_minimum_over_the_size_of_a_response_is_reduced_to_it():
    assert new_fetch(500, min_bytes=5000, bytes_max=1000).missing_bytes == 1000


def test_a_read_is_limited_by_its_partition_and_by_bytes_of_other_reads():
    fetch = new_fetch(500)
    assert fetch.limits(0, 0) == ReadLimits(500, 500, at_least_one=True)
    assert fetch.limits(0, 100) == ReadLimits(500, 500, at_least_one=False)
    assert fetch.limits(0, 800) == ReadLimits(200, 200, at_least_one=False)


def test_a_fetch_must_respond_after_a_refusal_or_a_read_that_was_cut_or_without_partitions():
    refused, cut, neither = new_fetch(500), new_fetch(500), new_fetch(500)
    refused.add(PartitionRead(FetchResult(refusal=Refusal.NOT_OWNER)))
    cut.add(new_read(10, has_more=True))
    neither.add(new_read(10))
    assert (refused.must_respond, cut.must_respond, neither.must_respond) == (True, True, False)
    assert new_fetch().must_respond


def test_the_wait_ends_with_the_future_of_the_caller():
    async def test():
        future = asyncio.get_running_loop().create_future()
        fetch = new_fetch(500, end_of_wait=future)
        assert not fetch.is_wait_ended
        future.set_result(None)
        assert fetch.is_wait_ended
        assert not new_fetch(500).is_wait_ended

    asyncio.run(test())

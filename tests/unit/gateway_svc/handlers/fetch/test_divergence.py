import pytest

from common.ports.partitions import EpochEndOffset, EpochQuery, FetchResult, LogId, Refusal
from gateway_svc.handlers.fetch.handler import fetch
from gateway_svc.wire.apis.fetch import EpochEndOffset as Parted
from gateway_svc.wire.apis.fetch import FetchPartition, FetchRequest, FetchTopic
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster

STORED = FetchResult([b"batch"], 50, 50, 0, 7)


def reads(cluster: FakeCluster, *, offset: int, last_epoch: int, end: EpochEndOffset | None = None):
    """What a reader at `offset` is told, whose last record is of `last_epoch`."""
    cluster.partitions.epoch_results = None if end is None else [end]
    asked = FetchPartition(
        partition=0,
        current_leader_epoch=7,
        fetch_offset=offset,
        last_fetched_epoch=last_epoch,
        partition_max_bytes=1000,
    )
    request = FetchRequest(
        max_wait_ms=500,
        min_bytes=1,
        max_bytes=1000,
        topics=[FetchTopic(topic_id=ORDERS.topic_id, partitions=[asked])],
    )
    ((only,),) = [topic.partitions for topic in cluster.send(fetch, request, 13).responses]
    return only


def test_a_reader_without_a_fetched_epoch_is_not_compared():
    cluster = FakeCluster()
    only = reads(cluster, offset=5, last_epoch=-1)
    assert (only.error_code, only.records, only.diverging_epoch) == (0, [b"batch"], None)
    assert not cluster.partitions.epoch_queries


@pytest.mark.parametrize(("offset", "end"), [(50, 50), (5, 50)])
def test_a_reader_in_agreement_with_the_log_gets_records(offset, end):
    cluster = FakeCluster()
    only = reads(cluster, offset=offset, last_epoch=6, end=EpochEndOffset(6, end))
    assert (only.error_code, only.records, only.diverging_epoch) == (0, [b"batch"], None)
    assert cluster.partitions.epoch_queries == [EpochQuery(LogId(ORDERS.topic_id, 0), 6, 7)]
    assert cluster.partitions.fetches[0].max_wait_ms == 500


@pytest.mark.parametrize(
    ("offset", "last_epoch", "end"),
    [
        pytest.param(40, 6, EpochEndOffset(5, 30), id="an epoch that the log does not have"),
        pytest.param(40, 6, EpochEndOffset(6, 30), id="more of the epoch than the log has"),
    ],
)
@pytest.mark.parametrize(
    "result", [STORED, FetchResult(refusal=Refusal.OFFSET_OUT_OF_RANGE)], ids=["in", "past"]
)
def test_a_diverged_reader_gets_the_diverging_epoch_at_once(offset, last_epoch, end, result):
    cluster = FakeCluster()
    cluster.partitions.fetch_results = [result]
    only = reads(cluster, offset=offset, last_epoch=last_epoch, end=end)
    assert (only.error_code, only.records) == (ErrorCode.NONE, [])
    assert only.diverging_epoch == Parted(epoch=end.leader_epoch, end_offset=end.end_offset)
    assert only.high_watermark == result.high_watermark
    assert cluster.partitions.fetches[0].max_wait_ms == 0


@pytest.mark.parametrize(
    ("end", "error_code"),
    [
        (EpochEndOffset(), ErrorCode.OFFSET_OUT_OF_RANGE),
        (EpochEndOffset(refusal=Refusal.FENCED_LEADER_EPOCH), ErrorCode.FENCED_LEADER_EPOCH),
    ],
)
def test_an_error_of_the_comparison_is_that_of_the_partition(end, error_code):
    cluster = FakeCluster()
    only = reads(cluster, offset=5, last_epoch=6, end=end)
    assert (only.error_code, only.diverging_epoch) == (error_code, None)
    assert not cluster.partitions.fetches


def test_the_current_leader_is_named_first():
    cluster = FakeCluster()
    cluster.partitions.fetch_results = [FetchResult(refusal=Refusal.NOT_OWNER)]
    only = reads(cluster, offset=40, last_epoch=6, end=EpochEndOffset(5, 30))
    assert only.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER

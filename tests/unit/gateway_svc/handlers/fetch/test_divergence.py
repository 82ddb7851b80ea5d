import pytest

from common.ports.partitions import EpochEndOffset, EpochQuery, FetchResult, LogId, Refusal
from gateway_svc.handlers.fetch.handler import fetch
from gateway_svc.wire.apis.fetch import EpochEndOffset as DivergingEpoch
from gateway_svc.wire.apis.fetch import FetchPartition, FetchRequest, FetchTopic
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster

STORED = FetchResult([b"batch"], 50, 50, 0, 7)


def fetch_partition(
    cluster: FakeCluster, *, offset: int, last_epoch: int, end: EpochEndOffset | None = None
):
    """Fetches at `offset` with `last_fetched_epoch`; the owner's epoch ends at `end`."""
    cluster.partitions.epoch_results = None if end is None else [end]
    partition = FetchPartition(
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
        topics=[FetchTopic(topic_id=ORDERS.topic_id, partitions=[partition])],
    )
    ((response,),) = [topic.partitions for topic in cluster.send(fetch, request, 13).responses]
    return response


def test_fetch_without_a_last_fetched_epoch_compares_no_epochs():
    cluster = FakeCluster()
    partition = fetch_partition(cluster, offset=5, last_epoch=-1)
    assert (partition.error_code, partition.records, partition.diverging_epoch) == (
        0,
        [b"batch"],
        None,
    )
    assert not cluster.partitions.epoch_queries


@pytest.mark.parametrize(("offset", "end"), [(50, 50), (5, 50)])
def test_fetch_returns_records_if_the_epochs_agree(offset, end):
    cluster = FakeCluster()
    partition = fetch_partition(cluster, offset=offset, last_epoch=6, end=EpochEndOffset(6, end))
    assert (partition.error_code, partition.records, partition.diverging_epoch) == (
        0,
        [b"batch"],
        None,
    )
    assert cluster.partitions.epoch_queries == [EpochQuery(LogId(ORDERS.topic_id, 0), 6, 7)]
    assert cluster.partitions.fetches[0].max_wait_ms == 500


@pytest.mark.parametrize(
    ("offset", "last_epoch", "end"),
    [
        pytest.param(40, 6, EpochEndOffset(5, 30), id="epoch missing in the log"),
        pytest.param(40, 6, EpochEndOffset(6, 30), id="epoch longer than in the log"),
    ],
)
@pytest.mark.parametrize(
    "result",
    [STORED, FetchResult(refusal=Refusal.OFFSET_OUT_OF_RANGE)],
    ids=["offset in the log", "offset past the log"],
)
def test_fetch_returns_the_diverging_epoch_without_waiting(offset, last_epoch, end, result):
    cluster = FakeCluster()
    cluster.partitions.fetch_results = [result]
    partition = fetch_partition(cluster, offset=offset, last_epoch=last_epoch, end=end)
    assert (partition.error_code, partition.records) == (ErrorCode.NONE, [])
    assert partition.diverging_epoch == DivergingEpoch(
        epoch=end.leader_epoch, end_offset=end.end_offset
    )
    assert partition.high_watermark == result.high_watermark
    assert cluster.partitions.fetches[0].max_wait_ms == 0


@pytest.mark.parametrize(
    ("end", "error_code"),
    [
        (EpochEndOffset(), ErrorCode.OFFSET_OUT_OF_RANGE),
        (EpochEndOffset(refusal=Refusal.FENCED_LEADER_EPOCH), ErrorCode.FENCED_LEADER_EPOCH),
    ],
)
def test_fetch_returns_an_error_of_the_epoch_query(end, error_code):
    cluster = FakeCluster()
    partition = fetch_partition(cluster, offset=5, last_epoch=6, end=end)
    assert (partition.error_code, partition.diverging_epoch) == (error_code, None)
    assert not cluster.partitions.fetches


def test_fetch_returns_not_leader_rather_than_a_diverging_epoch():
    cluster = FakeCluster()
    cluster.partitions.fetch_results = [FetchResult(refusal=Refusal.NOT_OWNER)]
    partition = fetch_partition(cluster, offset=40, last_epoch=6, end=EpochEndOffset(5, 30))
    assert partition.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER

from common.ports.partitions import LogId
from gateway_svc.handlers.fetch.partitions import as_unavailable, requested_partitions
from gateway_svc.wire.apis.fetch import FetchPartition, FetchRequest, FetchTopic
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import NO_SUCH_ID, ORDERS, FakeCluster


def resolve(version: int, *topics: tuple[dict[str, object], list[int]]):
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=1,
        topics=[
            FetchTopic(
                partitions=[
                    FetchPartition(partition=index, fetch_offset=n, partition_max_bytes=1)
                    for n, index in enumerate(indexes)
                ],
                **topic,
            )
            for topic, indexes in topics
        ],
    )
    return requested_partitions(request, FakeCluster().context(version))


def test_requested_partitions_resolves_names_or_ids_by_version():
    log = LogId(ORDERS.topic_id, 2)
    assert [partition.log for partition in resolve(12, ({"topic": "orders"}, [2]))] == [log]
    assert [partition.log for partition in resolve(13, ({"topic_id": ORDERS.topic_id}, [2]))] == [
        log
    ]


def test_requested_partitions_returns_an_error_for_missing_partitions():
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    partitions = resolve(12, ({"topic": "orders"}, [3, -1]), ({"topic": "nowhere"}, [0]))
    assert [(partition.log, partition.error_code) for partition in partitions] == [
        (None, unknown)
    ] * 3
    partitions = resolve(13, ({"topic_id": NO_SUCH_ID}, [0]), ({"topic_id": ORDERS.topic_id}, [9]))
    assert [partition.error_code for partition in partitions] == [
        ErrorCode.UNKNOWN_TOPIC_ID,
        unknown,
    ]


def test_requested_partitions_keeps_the_last_of_repeated_partitions():
    partitions = resolve(12, ({"topic": "orders"}, [1, 0, 1]))
    assert [
        (partition.request.partition, partition.request.fetch_offset) for partition in partitions
    ] == [
        (1, 2),
        (0, 1),
    ]


def test_with_owner_lost_changes_only_resolved_partitions():
    known, unknown = resolve(12, ({"topic": "orders"}, [0, 9]))
    assert (as_unavailable(known).log, as_unavailable(known).error_code) == (
        None,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
    )
    assert as_unavailable(unknown) == unknown

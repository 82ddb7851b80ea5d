from common.ports.partitions import LogId
from gateway_svc.handlers.fetch.partitions import requested_partitions, with_owner_lost
from gateway_svc.wire.apis.fetch import FetchPartition, FetchRequest, FetchTopic
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import NO_SUCH_ID, ORDERS, FakeCluster


def found(version: int, *topics: tuple[dict[str, object], list[int]]):
    request = FetchRequest(
        max_wait_ms=0,
        min_bytes=1,
        topics=[
            FetchTopic(
                partitions=[
                    FetchPartition(partition=partition, fetch_offset=n, partition_max_bytes=1)
                    for n, partition in enumerate(partitions)
                ],
                **named,
            )
            for named, partitions in topics
        ],
    )
    return requested_partitions(request, FakeCluster().context(version))


def test_a_topic_is_found_by_name_or_by_id_as_the_version_has_it():
    log = LogId(ORDERS.topic_id, 2)
    assert [one.log for one in found(12, ({"topic": "orders"}, [2]))] == [log]
    assert [one.log for one in found(13, ({"topic_id": ORDERS.topic_id}, [2]))] == [log]


def test_missing_partitions_have_an_error():
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    asked = found(12, ({"topic": "orders"}, [3, -1]), ({"topic": "nowhere"}, [0]))
    assert [(one.log, one.error_code) for one in asked] == [(None, unknown)] * 3
    asked = found(13, ({"topic_id": NO_SUCH_ID}, [0]), ({"topic_id": ORDERS.topic_id}, [9]))
    assert [one.error_code for one in asked] == [ErrorCode.UNKNOWN_TOPIC_ID, unknown]


def test_a_partition_that_is_there_twice_counts_as_the_last_says():
    asked = found(12, ({"topic": "orders"}, [1, 0, 1]))
    assert [(one.request.partition, one.request.fetch_offset) for one in asked] == [
        (1, 2),
        (0, 1),
    ]


def test_an_owner_that_does_not_answer_is_retriable_and_nothing_else_is_changed():
    known, unknown = found(12, ({"topic": "orders"}, [0, 9]))
    assert (with_owner_lost(known).log, with_owner_lost(known).error_code) == (
        None,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
    )
    assert with_owner_lost(unknown) == unknown

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.partitions import LogId
from gateway_svc.dispatch.lookup import resolve_partition
from gateway_svc.wire.error_code import ErrorCode

ORDERS_ID = bytes(range(16))
ORDERS = Topic(ORDERS_ID, "orders", (Placement("log-0", 3), Placement("log-1", 8)))


def view() -> ClusterView:
    known = ClusterView()
    known.apply(ClusterChange(revision=1, cluster_id="test", is_snapshot=True, topics=(ORDERS,)))
    return known


def test_resolve_partition_finds_a_partition_by_name_and_by_id():
    for topic in ("orders", ORDERS_ID):
        found = resolve_partition(view(), topic, 1)
        assert not isinstance(found, ErrorCode)
        assert found.log == LogId(ORDERS_ID, 1)
        assert found.leader_epoch == 8
        assert found.topic == ORDERS


def test_resolve_partition_rejects_an_index_that_the_topic_does_not_have():
    for topic in ("orders", ORDERS_ID):
        for index in (-1, 2):
            unknown = resolve_partition(view(), topic, index)
            assert unknown is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_resolve_partition_rejects_an_unknown_topic_by_the_kind_of_its_name():
    assert resolve_partition(view(), "payments", 0) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert resolve_partition(view(), bytes(16), 0) is ErrorCode.UNKNOWN_TOPIC_ID


def test_resolve_partition_prefers_unknown_topic_id_to_a_wrong_index():
    assert resolve_partition(view(), bytes(16), -1) is ErrorCode.UNKNOWN_TOPIC_ID

import asyncio

import pytest

from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.metadata import TopicRefusal, TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.cluster.auto_create import create_missing
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import FakeCluster


def auto_create(cluster: FakeCluster, *names: str, is_allowed: bool = True) -> dict[str, ErrorCode]:
    return asyncio.run(create_missing(names, cluster.context(9), is_allowed=is_allowed))


def test_existing_topics_are_not_created():
    cluster = FakeCluster()
    assert auto_create(cluster, "orders", "payments") == {}
    assert not cluster.metadata.created


def test_missing_topics_are_created_in_one_call_with_default_partitions():
    cluster = FakeCluster()
    auto_create(cluster, "a", "orders", "b", "no/slash", "__transaction_state")
    assert [(topic.name, topic.partition_count) for topic in cluster.metadata.created] == [
        ("a", -1),
        ("b", -1),
    ]
    assert cluster.metadata.timeout_ms == cluster.backends.settings.auto_create_timeout_ms


def test_topic_created_by_another_caller_is_not_available_yet():
    cluster = FakeCluster()
    cluster.metadata.results = [TopicResult("a", refusal=TopicRefusal.TOPIC_ALREADY_EXISTS)]
    assert auto_create(cluster, "a") == {"a": ErrorCode.LEADER_NOT_AVAILABLE}


def test_topic_without_an_owner_is_not_available_yet():
    cluster = FakeCluster()
    cluster.metadata.results = [TopicResult("a", refusal=TopicRefusal.NO_OWNER)]
    assert auto_create(cluster, "a") == {"a": ErrorCode.LEADER_NOT_AVAILABLE}


def test_offsets_topic_is_created_with_its_own_configs():
    cluster = FakeCluster()
    auto_create(cluster, OFFSETS_TOPIC, "a")
    assert cluster.view.topic(OFFSETS_TOPIC) is not None
    by_name = {topic.name: topic for topic in cluster.metadata.created}
    assert by_name[OFFSETS_TOPIC].partition_count == 5
    assert by_name[OFFSETS_TOPIC].configs["cleanup.policy"] == "compact"
    assert by_name["a"].configs == {}


@pytest.mark.parametrize("settings", [{}, {"auto_create_topics_enable": False}])
def test_offsets_topic_is_not_created_if_not_allowed(settings):
    cluster = FakeCluster(**settings)
    errors = auto_create(cluster, OFFSETS_TOPIC, is_allowed=bool(settings))
    assert errors == {OFFSETS_TOPIC: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
    assert not cluster.metadata.created


def test_offsets_topic_is_not_available_yet_if_its_creation_fails():
    cluster = FakeCluster()
    cluster.metadata.error = BackendUnavailable("unreachable")
    assert auto_create(cluster, OFFSETS_TOPIC) == {OFFSETS_TOPIC: ErrorCode.LEADER_NOT_AVAILABLE}

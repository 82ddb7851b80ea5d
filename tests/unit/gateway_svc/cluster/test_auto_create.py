import asyncio

import pytest

from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.metadata import TopicRefusal, TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.cluster.auto_create import create_missing
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.world import World


def missing(world: World, *names: str, is_allowed: bool = True) -> dict[str, ErrorCode]:
    return asyncio.run(create_missing(names, world.context(9), is_allowed=is_allowed))


def test_existing_topics_are_not_created():
    world = World()
    assert missing(world, "orders", "payments") == {}
    assert not world.metadata.created


def test_missing_topics_are_created_in_one_call_with_default_partitions():
    world = World()
    missing(world, "a", "orders", "b", "no/slash", "__transaction_state")
    assert [(topic.name, topic.partition_count) for topic in world.metadata.created] == [
        ("a", -1),
        ("b", -1),
    ]
    assert world.metadata.timeout_ms == world.backends.settings.auto_create_timeout_ms


def test_a_topic_that_was_created_meanwhile_is_not_available_yet():
    world = World()
    world.metadata.results = [TopicResult("a", refusal=TopicRefusal.TOPIC_ALREADY_EXISTS)]
    assert missing(world, "a") == {"a": ErrorCode.LEADER_NOT_AVAILABLE}


def test_a_topic_that_no_member_can_own_is_not_available_yet():
    world = World()
    world.metadata.results = [TopicResult("a", refusal=TopicRefusal.NO_OWNER)]
    assert missing(world, "a") == {"a": ErrorCode.LEADER_NOT_AVAILABLE}


def test_the_topic_of_groups_is_created_as_the_first_group_would_create_it():
    world = World()
    missing(world, OFFSETS_TOPIC, "a")
    assert world.view.topic(OFFSETS_TOPIC) is not None
    by_name = {topic.name: topic for topic in world.metadata.created}
    assert by_name[OFFSETS_TOPIC].partition_count == 5
    assert by_name[OFFSETS_TOPIC].configs["cleanup.policy"] == "compact"
    assert by_name["a"].configs == {}


@pytest.mark.parametrize("settings", [{}, {"auto_create_topics_enable": False}])
def test_the_topic_of_groups_is_not_created_unless_topics_may_be(settings):
    world = World(**settings)
    found = missing(world, OFFSETS_TOPIC, is_allowed=bool(settings))
    assert found == {OFFSETS_TOPIC: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
    assert not world.metadata.created


def test_the_topic_of_groups_is_not_available_yet_if_its_creation_fails():
    world = World()
    world.metadata.error = BackendUnavailable("gone")
    assert missing(world, OFFSETS_TOPIC) == {OFFSETS_TOPIC: ErrorCode.LEADER_NOT_AVAILABLE}

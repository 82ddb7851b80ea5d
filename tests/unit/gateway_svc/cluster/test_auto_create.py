import asyncio

import pytest

from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.metadata import TopicRefusal, TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.cluster.auto_create import create_missing
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.world import World


def missing(world: World, *names: str, is_wished: bool = True) -> dict[str, ErrorCode]:
    return asyncio.run(create_missing(names, world.context(9), is_wished=is_wished))


def test_topics_that_are_there_are_not_asked_for():
    world = World()
    assert missing(world, "orders", "payments") == {}
    assert not world.metadata.created


def test_all_missing_ones_are_created_in_one_go_with_the_cluster_s_defaults():
    world = World()
    missing(world, "a", "orders", "b", "no/slash", "__transaction_state")
    assert [(one.name, one.partition_count) for one in world.metadata.created] == [
        ("a", -1),
        ("b", -1),
    ]
    assert world.metadata.timeout_ms == world.backends.settings.auto_create_timeout_ms


def test_somebody_else_may_have_created_it_meanwhile():
    world = World()
    world.metadata.results = [TopicResult("a", refusal=TopicRefusal.TOPIC_ALREADY_EXISTS)]
    assert missing(world, "a") == {"a": ErrorCode.LEADER_NOT_AVAILABLE}


def test_without_anybody_to_own_it_a_topic_is_to_be_asked_for_again():
    world = World()
    world.metadata.results = [TopicResult("a", refusal=TopicRefusal.NO_OWNER)]
    assert missing(world, "a") == {"a": ErrorCode.LEADER_NOT_AVAILABLE}


def test_the_topic_of_groups_is_created_as_the_first_group_would_create_it():
    world = World()
    missing(world, OFFSETS_TOPIC, "a")
    assert world.view.topic(OFFSETS_TOPIC) is not None
    by_name = {one.name: one for one in world.metadata.created}
    assert by_name[OFFSETS_TOPIC].partition_count == 5
    assert by_name[OFFSETS_TOPIC].configs["cleanup.policy"] == "compact"
    assert by_name["a"].configs == {}


@pytest.mark.parametrize("settings", [{}, {"auto_create_topics_enable": False}])
def test_the_topic_of_groups_is_not_created_unless_topics_may_be(settings):
    world = World(**settings)
    found = missing(world, OFFSETS_TOPIC, is_wished=bool(settings))
    assert found == {OFFSETS_TOPIC: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
    assert not world.metadata.created


def test_the_topic_of_groups_is_to_be_asked_for_again_where_it_could_not_be_created():
    world = World()
    world.metadata.error = BackendUnavailable("gone")
    assert missing(world, OFFSETS_TOPIC) == {OFFSETS_TOPIC: ErrorCode.LEADER_NOT_AVAILABLE}

"""Small requests for large results: the broker answers each and bounds its memory."""

import pytest

from tests.hostile.test_memory import SLACK, bounded_memory
from tests.support.wire.kio_client import ask

OFFSET_FETCH, FIND_COORDINATOR, DESCRIBE_GROUPS, DELETE_GROUPS = 9, 10, 15, 42
DESCRIBE_CONFIGS, CONSUMER_GROUP_DESCRIBE = 32, 69

pytestmark = pytest.mark.slow

#: The broker keeps nothing for these requests beyond their responses.
BOUND = SLACK


def test_describing_one_topic_thousands_of_times_is_bounded_in_memory(broker, raw, topic):
    resource = {"resource_type": 2, "resource_name": topic, "configuration_keys": None}
    values = {
        "resources": [resource] * 8000,
        "include_synonyms": True,
        "include_documentation": True,
    }
    with bounded_memory(broker, BOUND):
        (result,) = ask(raw, DESCRIBE_CONFIGS, 4, values).results
    assert result.error_code == 0
    assert len(result.configs) > 20


def test_naming_one_group_a_hundred_thousand_times_is_bounded_in_memory(broker, raw):
    names = ["group"] * 100_000
    values = {"groups": names, "group_ids": names, "include_authorized_operations": False}
    with bounded_memory(broker, BOUND):
        assert len(ask(raw, DESCRIBE_GROUPS, 5, values).groups) == 1
        assert len(ask(raw, CONSUMER_GROUP_DESCRIBE, 0, values).groups) == 1
        assert len(ask(raw, DELETE_GROUPS, 2, {"groups_names": names}).results) == 1
        groups = [{"group_id": "group", "topics": None}] * 50_000
        fetched = ask(raw, OFFSET_FETCH, 8, {"groups": groups, "require_stable": False})
        assert len(fetched.groups) == 1


def test_naming_thousands_of_missing_groups_is_bounded_in_memory(broker, raw):
    """Uses fewer groups than fit: with three processes each group costs a call to a coordinator."""
    names = [f"{number:x}" for number in range(5000)]
    values = {"groups": names, "include_authorized_operations": False}
    with bounded_memory(broker, BOUND):
        groups = ask(raw, DESCRIBE_GROUPS, 5, values).groups
        assert {group.group_id for group in groups} == set(names)
        results = ask(raw, DELETE_GROUPS, 2, {"groups_names": names}).results
        assert {int(result.error_code) for result in results} == {69}


def test_find_coordinator_answers_very_long_keys_without_stopping_the_process(broker, raw):
    keys = [f"{number}" + "x" * 30_000 for number in range(200)]
    values = {"key_type": 0, "coordinator_keys": keys}
    with bounded_memory(broker, BOUND):
        coordinators = ask(raw, FIND_COORDINATOR, 4, values).coordinators
    assert [coordinator.key for coordinator in coordinators] == keys
    assert {int(coordinator.error_code) for coordinator in coordinators} == {0}

"""Small requests that ask for a lot: they cost little, and each is answered all the same."""

import pytest

from tests.hostile.test_memory import SLACK, bounded_memory
from tests.support.wire.kio_client import ask

OFFSET_FETCH, FIND_COORDINATOR, DESCRIBE_GROUPS, DELETE_GROUPS = 9, 10, 15, 42
DESCRIBE_CONFIGS, CONSUMER_GROUP_DESCRIBE = 32, 69

pytestmark = pytest.mark.slow

#: Nothing of the following is kept for a client beyond its response.
BOUND = SLACK


def test_one_topic_that_is_described_thousands_of_times(broker, raw, topic):
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


def test_one_group_that_is_named_a_hundred_thousand_times(broker, raw):
    names = ["group"] * 100_000
    described = {"groups": names, "group_ids": names, "include_authorized_operations": False}
    with bounded_memory(broker, BOUND):
        assert len(ask(raw, DESCRIBE_GROUPS, 5, described).groups) == 1
        assert len(ask(raw, CONSUMER_GROUP_DESCRIBE, 0, described).groups) == 1
        assert len(ask(raw, DELETE_GROUPS, 2, {"groups_names": names}).results) == 1
        groups = [{"group_id": "group", "topics": None}] * 50_000
        fetched = ask(raw, OFFSET_FETCH, 8, {"groups": groups, "require_stable": False})
        assert len(fetched.groups) == 1


def test_thousands_of_groups_that_are_not_there(broker, raw):
    """Three processes call a coordinator for each, so they are asked about fewer than one could."""
    names = [f"{number:x}" for number in range(5000)]
    described = {"groups": names, "include_authorized_operations": False}
    with bounded_memory(broker, BOUND):
        found = ask(raw, DESCRIBE_GROUPS, 5, described).groups
        assert {one.group_id for one in found} == set(names)
        results = ask(raw, DELETE_GROUPS, 2, {"groups_names": names}).results
        assert {int(result.error_code) for result in results} == {69}


def test_very_long_keys_are_placed_without_stopping_the_process(broker, raw):
    keys = [f"{number}" + "x" * 30_000 for number in range(200)]
    values = {"key_type": 0, "coordinator_keys": keys}
    with bounded_memory(broker, BOUND):
        found = ask(raw, FIND_COORDINATOR, 4, values).coordinators
    assert [one.key for one in found] == keys
    assert {int(one.error_code) for one in found} == {0}

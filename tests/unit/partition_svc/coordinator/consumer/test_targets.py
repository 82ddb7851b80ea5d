import pytest

from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle


@pytest.fixture
def world():
    return SimulatedConsumerGroup(a=3, b=3)


@pytest.mark.parametrize(
    ("wanted", "used"),
    [
        ([None, None], "uniform"),
        (["range", None], "range"),
        (["range", "uniform", "range"], "range"),
        (["range", "uniform", "uniform"], "uniform"),
    ],
)
def test_assignor_is_the_one_that_most_members_prefer(world, wanted, used):
    for number, assignor in enumerate(wanted):
        Reader(world, f"m{number}", assignor=assignor).beat()
    assert world.group.describe_consumer().assignor == used


def test_targets_have_the_epoch_of_the_group(world):
    one = Reader(world, "m1")
    one.beat()
    two = Reader(world, "m2")
    two.beat()
    described = world.group.describe_consumer()
    assert (described.group_epoch, described.assignment_epoch) == (2, 2)
    two.leave()
    assert world.state == "Assigning"
    settle(one)
    assert world.state == "Stable"


def test_names_and_expressions_are_combined(world):
    one = Reader(world, "m1", ["a"], regex="b")
    settle(one)
    assert {topic for topic, _ in one.partitions} == {"a", "b"}

import pytest

from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup, settle


@pytest.fixture
def simulated():
    return SimulatedConsumerGroup(a=3, b=3)


@pytest.mark.parametrize(
    ("preferred", "chosen"),
    [
        ([None, None], "uniform"),
        (["range", None], "range"),
        (["range", "uniform", "range"], "range"),
        (["range", "uniform", "uniform"], "uniform"),
    ],
)
def test_assignor_is_the_one_that_most_members_prefer(simulated, preferred, chosen):
    for number, assignor in enumerate(preferred):
        Reader(simulated, f"m{number}", assignor=assignor).beat()
    assert simulated.group.describe_consumer().assignor == chosen


def test_targets_have_the_epoch_of_the_group(simulated):
    first = Reader(simulated, "m1")
    first.beat()
    second = Reader(simulated, "m2")
    second.beat()
    description = simulated.group.describe_consumer()
    assert (description.group_epoch, description.assignment_epoch) == (2, 2)
    second.leave()
    assert simulated.state == "Assigning"
    settle(first)
    assert simulated.state == "Stable"


def test_names_and_expressions_are_combined(simulated):
    reader = Reader(simulated, "m1", ["a"], regex="b")
    settle(reader)
    assert {topic for topic, _ in reader.partitions} == {"a", "b"}

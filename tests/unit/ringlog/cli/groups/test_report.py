"""Members, committed offsets and log ends become one report."""

from common.ports.consumer_groups import (
    DescribedConsumerGroup,
    DescribedConsumerMember,
    OwnedPartitions,
)
from common.ports.group_errors import GroupClient
from ringlog.cli.groups.report import PartitionLag, classic_group, consumer_group, report
from tests.unit.ringlog.cli.groups.group_samples import COMMITTED, ENDS, STABLE


def made():
    return report(classic_group(STABLE), COMMITTED, ENDS, coordinator="partition-1")


def test_every_partition_that_was_committed_or_is_assigned():
    assert made().partitions == [
        PartitionLag("bills", 0, None, 2, "m-1"),
        PartitionLag("gone", 0, 4, None, None),
        PartitionLag("orders", 0, 7, 10, "m-1"),
        PartitionLag("orders", 1, 3, 3, "m-1"),
        PartitionLag("orders", 2, None, 8, "m-2"),
    ]


def test_lag_is_known_where_both_ends_are():
    assert [one.lag for one in made().partitions] == [None, None, 3, 0, None]
    assert made().lag == 3


def test_a_log_that_is_shorter_than_what_was_committed_has_no_lag():
    assert PartitionLag("t", 0, 9, 4, None).lag == 0


def test_members_with_their_partitions():
    first, second = made().members
    assert first.partitions == [("bills", 0), ("orders", 0), ("orders", 1)]
    assert (second.group_instance_id, second.client_host) == ("i", "/10.0.0.1")


def test_a_group_whose_coordinator_assigns():
    owned = [OwnedPartitions(b"1" * 16, [4, 2])]
    one = DescribedConsumerMember("m", 3, GroupClient("app", "/h"), assignment=owned)
    found = consumer_group(
        DescribedConsumerGroup("g", "Stable", assignor="uniform", members=[one]), lambda _: "orders"
    )
    assert (found.state, found.assignor) == ("Stable", "uniform")
    assert found.members[0].partitions == [("orders", 2), ("orders", 4)]

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


def test_a_report_has_every_committed_or_assigned_partition():
    assert made().partitions == [
        PartitionLag("bills", 0, None, 2, "m-1"),
        PartitionLag("gone", 0, 4, None, None),
        PartitionLag("orders", 0, 7, 10, "m-1"),
        PartitionLag("orders", 1, 3, 3, "m-1"),
        PartitionLag("orders", 2, None, 8, "m-2"),
    ]


def test_lag_needs_a_committed_offset_and_a_log_end():
    assert [partition.lag for partition in made().partitions] == [None, None, 3, 0, None]
    assert made().lag == 3


def test_a_log_that_ends_before_the_committed_offset_has_no_lag():
    assert PartitionLag("t", 0, 9, 4, None).lag == 0


def test_members_with_their_partitions():
    first, second = made().members
    assert first.partitions == [("bills", 0), ("orders", 0), ("orders", 1)]
    assert (second.group_instance_id, second.client_host) == ("i", "/10.0.0.1")


def test_a_consumer_group_is_reported():
    owned = [OwnedPartitions(b"1" * 16, [4, 2])]
    one = DescribedConsumerMember("m", 3, GroupClient("app", "/h"), assignment=owned)
    found = consumer_group(
        DescribedConsumerGroup("g", "Stable", assignor="uniform", members=[one]), lambda _: "orders"
    )
    assert (found.state, found.assignor) == ("Stable", "uniform")
    assert found.members[0].partitions == [("orders", 2), ("orders", 4)]

"""Tests of the report of members, committed offsets and log ends."""

from common.ports.consumer_groups import (
    DescribedConsumerGroup,
    DescribedConsumerMember,
    OwnedPartitions,
)
from common.ports.group_errors import GroupClient
from ringlog.cli.groups.report import PartitionLag, classic_group, consumer_group, report
from tests.unit.ringlog.cli.groups.group_samples import COMMITTED, ENDS, STABLE


def stable_report():
    return report(classic_group(STABLE), COMMITTED, ENDS, coordinator="partition-1")


def test_report_has_every_committed_or_assigned_partition():
    assert stable_report().partitions == [
        PartitionLag("bills", 0, None, 2, "m-1"),
        PartitionLag("gone", 0, 4, None, None),
        PartitionLag("orders", 0, 7, 10, "m-1"),
        PartitionLag("orders", 1, 3, 3, "m-1"),
        PartitionLag("orders", 2, None, 8, "m-2"),
    ]


def test_lag_requires_a_committed_offset_and_a_log_end():
    assert [partition.lag for partition in stable_report().partitions] == [None, None, 3, 0, None]
    assert stable_report().lag == 3


def test_lag_is_zero_if_the_log_ends_before_the_committed_offset():
    assert PartitionLag("t", 0, 9, 4, None).lag == 0


def test_report_has_members_with_their_partitions():
    first, second = stable_report().members
    assert first.partitions == [("bills", 0), ("orders", 0), ("orders", 1)]
    assert (second.group_instance_id, second.client_host) == ("i", "/10.0.0.1")


def test_report_accepts_a_consumer_group():
    owned = [OwnedPartitions(b"1" * 16, [4, 2])]
    member = DescribedConsumerMember("m", 3, GroupClient("app", "/h"), assignment=owned)
    group = consumer_group(
        DescribedConsumerGroup("g", "Stable", assignor="uniform", members=[member]),
        lambda _: "orders",
    )
    assert (group.state, group.assignor) == ("Stable", "uniform")
    assert group.members[0].partitions == [("orders", 2), ("orders", 4)]

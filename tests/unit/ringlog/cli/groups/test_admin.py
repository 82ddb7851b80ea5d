"""Tests of `GroupsAdmin` with fake coordinators and logs."""

import asyncio

import pytest

from common.cluster.view import ClusterView
from common.ports.classic_groups import (
    DeleteGroup,
    DescribedGroup,
    DescribeGroup,
    GroupResult,
    ListedGroup,
    ListedGroups,
)
from common.ports.consumer_groups import (
    DescribeConsumerGroup,
    DescribedConsumerGroup,
    DescribedConsumerMember,
    OwnedPartitions,
)
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.group_errors import UNKNOWN_CLIENT, GroupRefusal
from common.ports.group_offsets import CommitOffsets, CommitResult, FetchedOffsets, FetchOffsets
from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.partitions import EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, OffsetResult, Refusal
from ringlog.cli.actions import CommandFailed
from ringlog.cli.groups.admin import GroupsAdmin
from ringlog.cli.groups.reset import Latest, OffsetChange, ToTime
from tests.unit.ringlog.cli.groups.group_samples import COMMITTED, EMPTY, STABLE

DEAD = DescribedGroup("readers", "Dead")
MISSING = DescribedGroup("readers", refusal=GroupRefusal.GROUP_ID_NOT_FOUND)
NO_CONSUMER_GROUP = DescribedConsumerGroup("readers", refusal=GroupRefusal.GROUP_ID_NOT_FOUND)


class FakeCluster:
    """Coordinators and logs that return fixed replies; records all changes."""

    def __init__(self, classic=EMPTY, *, modern=NO_CONSUMER_GROUP, committed=COMMITTED):
        self.classic, self.modern, self.committed = classic, modern, committed
        self.fetch_refusal = self.commit_refusal = self.delete_refusal = self.log_refusal = None
        self.list_reply = ListedGroups([ListedGroup("readers", "consumer", "Empty", "classic")])
        self.listed, self.commits, self.deleted = [], [], []

    async def call(self, request):
        if isinstance(request, CommitOffsets):
            self.commits.append(request)
            return CommitResult([self.commit_refusal] * len(request.offsets))
        if isinstance(request, DeleteGroup):
            self.deleted.append(request.group_id)
        return {
            DescribeGroup: self.classic,
            DescribeConsumerGroup: self.modern,
            FetchOffsets: FetchedOffsets(self.committed, self.fetch_refusal),
            DeleteGroup: GroupResult(request.group_id, self.delete_refusal),
        }[type(request)]

    async def list_groups(self, request):
        self.listed.append(request)
        return self.list_reply

    async def list_offsets(self, queries):
        offsets = {EARLIEST_TIMESTAMP: 2, LATEST_TIMESTAMP: 9, 50: 5}
        return [
            OffsetResult(offsets.get(query.timestamp, -1), refusal=self.log_refusal)
            for query in queries
        ]


def topic(name, count):
    owner = Placement("partition-0", 1)
    return Topic(name.encode().ljust(16), name, (owner,) * count)


def admin(cluster, *, names=("orders", OFFSETS_TOPIC)):
    view = ClusterView()
    view.apply(ClusterChange(1, "c", is_snapshot=True, topics=[topic(name, 3) for name in names]))
    return GroupsAdmin(view, cluster, cluster)


def run(call):
    return asyncio.run(call)


def test_list_groups_filters_by_state():
    cluster = FakeCluster()
    assert [group.group_id for group in run(admin(cluster).list_groups(["Empty"])).groups] == [
        "readers"
    ]
    assert cluster.listed[0].states == ["Empty"]


def test_incomplete_list_is_an_error():
    cluster = FakeCluster()
    cluster.list_reply = ListedGroups(refusal=GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
    with pytest.raises(CommandFailed, match="COORDINATOR_LOAD_IN_PROGRESS"):
        run(admin(cluster).list_groups([]))


def test_cluster_without_the_offsets_topic_has_no_groups():
    groups = admin(FakeCluster(STABLE), names=["orders"])
    assert run(groups.list_groups([])) == ListedGroups()
    with pytest.raises(CommandFailed, match="no group 'readers'"):
        run(groups.describe("readers"))
    with pytest.raises(CommandFailed, match="no group 'readers'"):
        run(groups.delete("readers"))


def test_describe_returns_coordinator_and_lag():
    report = run(admin(FakeCluster(STABLE)).describe("readers"))
    assert (report.state, report.coordinator, report.lag) == ("Stable", "partition-0", 2 + 6)
    assert len(report.members) == 2


def test_describe_returns_a_consumer_group():
    owned = [OwnedPartitions(topic("orders", 1).topic_id, [1]), OwnedPartitions(b"?" * 16, [0])]
    member = DescribedConsumerMember("m", 1, UNKNOWN_CLIENT, assignment=owned)
    modern = DescribedConsumerGroup("readers", "Stable", assignor="uniform", members=[member])
    report = run(admin(FakeCluster(MISSING, modern=modern)).describe("readers"))
    assert report.assignor == "uniform"
    assert ("orders", 1) in report.members[0].partitions
    assert (("3f" * 16), 0) in report.members[0].partitions


@pytest.mark.parametrize("missing", [DEAD, MISSING])
def test_unknown_group_is_an_error(missing):
    with pytest.raises(CommandFailed, match="there is no group 'readers'"):
        run(admin(FakeCluster(missing)).describe("readers"))
    cluster = FakeCluster(missing)
    with pytest.raises(CommandFailed, match="there is no group 'readers'"):
        run(admin(cluster).delete("readers"))
    assert not cluster.deleted


def test_describe_reports_a_refusal():
    reply = DescribedGroup("readers", refusal=GroupRefusal.NOT_COORDINATOR)
    with pytest.raises(CommandFailed, match="not described: NOT_COORDINATOR"):
        run(admin(FakeCluster(reply)).describe("readers"))


def test_reset_plan_has_the_committed_and_the_new_offsets():
    plan = run(admin(FakeCluster()).plan_reset("readers", "orders", None, Latest()))
    assert plan == [
        OffsetChange("orders", 0, 7, 9),
        OffsetChange("orders", 1, 3, 9),
        OffsetChange("orders", 2, None, 9),
    ]
    assert run(admin(FakeCluster()).plan_reset("readers", "orders", (1,), ToTime(50))) == [
        OffsetChange("orders", 1, 3, 5)
    ]


@pytest.mark.parametrize(
    ("name", "partitions", "error"),
    [("missing", None, "no topic 'missing'"), ("orders", (0, 3), "no partition 3, only 0 to 2")],
)
def test_reset_plan_rejects_an_unknown_topic_or_partition(name, partitions, error):
    with pytest.raises(CommandFailed, match=error):
        run(admin(FakeCluster()).plan_reset("readers", name, partitions, Latest()))


def test_reset_plan_reports_a_log_without_a_reply():
    cluster = FakeCluster()
    cluster.log_refusal = Refusal.NO_RESPONSE
    with pytest.raises(CommandFailed, match="orders-0: NO_RESPONSE"):
        run(admin(cluster).plan_reset("readers", "orders", None, Latest()))


@pytest.mark.parametrize("state", [EMPTY, DEAD, MISSING])
def test_reset_commits_without_a_member_id(state):
    cluster = FakeCluster(state)
    run(admin(cluster).reset("readers", [OffsetChange("orders", 1, None, 5)]))
    (commit,) = cluster.commits
    assert (commit.group_id, commit.member_id, commit.generation_id) == ("readers", "", -1)
    assert [(offset.topic, offset.partition, offset.offset) for offset in commit.offsets] == [
        ("orders", 1, 5)
    ]
    assert commit.offsets[0].topic_id == topic("orders", 1).topic_id


def test_reset_and_delete_reject_a_group_with_members():
    cluster = FakeCluster(STABLE)
    with pytest.raises(CommandFailed, match="'readers' is Stable with 2 members; stop them first"):
        run(admin(cluster).reset("readers", [OffsetChange("orders", 1, None, 5)]))
    with pytest.raises(CommandFailed, match="2 members"):
        run(admin(cluster).delete("readers"))
    assert not cluster.commits
    assert not cluster.deleted


def test_reset_fails_if_members_join_meanwhile():
    cluster = FakeCluster()
    cluster.commit_refusal = GroupRefusal.UNKNOWN_MEMBER_ID
    with pytest.raises(CommandFailed, match="has members"):
        run(admin(cluster).reset("readers", [OffsetChange("orders", 1, None, 5)]))


def test_delete_deletes_the_group_or_reports_a_refusal():
    cluster = FakeCluster()
    run(admin(cluster).delete("readers"))
    assert cluster.deleted == ["readers"]
    cluster.delete_refusal = GroupRefusal.NON_EMPTY_GROUP
    with pytest.raises(CommandFailed, match="not deleted: NON_EMPTY_GROUP"):
        run(admin(cluster).delete("readers"))

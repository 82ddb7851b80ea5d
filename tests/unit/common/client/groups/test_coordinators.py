import asyncio

import pytest

from common.client.groups.coordinators import RoutedCoordinators
from common.client.groups.offsets_topic import OffsetsTopic
from common.cluster.group_partitions import group_partition
from common.cluster.view import ClusterView
from common.ports.classic_groups import (
    GroupHeartbeat,
    ListedGroup,
    ListedGroups,
    ListGroups,
    SyncGroup,
)
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.group_errors import GroupRefusal
from common.ports.metadata import ClusterChange, Placement, PlacementChange, Topic
from common.ports.unavailable import BackendUnavailable
from tests.support.stores.partition_core import until
from tests.unit.gateway_svc.handlers.fake_cluster import FakeMetadata

TOPIC_ID = bytes(range(16))
IN_0 = next(f"g{n}" for n in range(99) if group_partition(f"g{n}", 2) == 0)
IN_1 = next(f"g{n}" for n in range(99) if group_partition(f"g{n}", 2) == 1)


class FakeOwner:
    """Refuses one heartbeat with each of `refusals`, then accepts them; lists one group."""

    def __init__(self, name, *refusals, error=None):
        self.name, self.refusals, self.error = name, list(refusals), error
        self.group_ids = []
        self.called = asyncio.Event()

    def call(self, request):
        self.group_ids.append(request.group_id)
        self.called.set()
        reply = asyncio.get_running_loop().create_future()
        if self.error is not None:
            reply.set_exception(self.error)
        else:
            refusal = self.refusals.pop(0) if self.refusals else None
            reply.set_result(request.refused(refusal))
        return reply

    async def list_groups(self, request):
        if self.error is not None:
            raise self.error
        return ListedGroups([ListedGroup(f"of {self.name}", "consumer", "Stable", "classic")])


def routed_coordinators(*owners, hold_s=30.0):
    """Returns a view and coordinators; partition 0 of the topic is on "a", partition 1 on "b"."""
    view = ClusterView()
    topic = Topic(TOPIC_ID, OFFSETS_TOPIC, (Placement("a", 0), Placement("b", 0)))
    view.apply(ClusterChange(1, "c", is_snapshot=True, topics=(topic,)))
    by_name = {owner.name: owner for owner in owners}
    offsets_topic = OffsetsTopic(view, FakeMetadata(view), partition_count=2)
    return view, RoutedCoordinators(offsets_topic, by_name.get, hold_s=hold_s)


def heartbeat(group_id):
    return GroupHeartbeat(group_id, "m", 1)


def send_heartbeat(coordinators):
    """Returns the reply to a heartbeat."""

    async def send():
        return await coordinators.call(heartbeat(IN_0))

    return asyncio.run(send())


def test_each_group_goes_to_the_owner_of_its_partition():
    a, b = FakeOwner("a"), FakeOwner("b")
    _, coordinators = routed_coordinators(a, b)

    async def scenario():
        for group_id in (IN_0, IN_1, IN_0):
            assert (await coordinators.call(heartbeat(group_id))).refusal is None

    asyncio.run(scenario())
    assert (a.group_ids, b.group_ids) == ([IN_0, IN_0], [IN_1])


@pytest.mark.parametrize(
    "refusal", [GroupRefusal.NOT_COORDINATOR, GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS]
)
def test_transient_refusals_are_retried(refusal):
    a = FakeOwner("a", refusal, refusal)
    _, coordinators = routed_coordinators(a)
    assert send_heartbeat(coordinators).refusal is None
    assert len(a.group_ids) == 3


def test_other_refusals_are_returned():
    a = FakeOwner("a", GroupRefusal.UNKNOWN_MEMBER_ID)
    _, coordinators = routed_coordinators(a)
    reply = send_heartbeat(coordinators)
    assert reply.refusal is GroupRefusal.UNKNOWN_MEMBER_ID


def test_moved_coordinator_is_found_at_its_new_owner():
    a, b = FakeOwner("a", *[GroupRefusal.NOT_COORDINATOR] * 99), FakeOwner("b")
    view, coordinators = routed_coordinators(a, b)

    async def scenario():
        call = asyncio.ensure_future(coordinators.call(heartbeat(IN_0)))
        await a.called.wait()
        moved = PlacementChange(TOPIC_ID, 0, Placement("b", 1))
        view.apply(ClusterChange(2, "c", placements=(moved,)))
        coordinators.view_changed()
        assert (await call).refusal is None

    asyncio.run(scenario())
    assert b.group_ids == [IN_0]


def test_retriable_refusal_is_returned_at_the_deadline():
    a = FakeOwner("a", *[GroupRefusal.NOT_COORDINATOR] * 99)
    _, coordinators = routed_coordinators(a, hold_s=0.0)
    reply = send_heartbeat(coordinators)
    assert reply.refusal is GroupRefusal.NOT_COORDINATOR


def test_owner_without_a_reply_in_time_is_unavailable():
    for owners in ((FakeOwner("a", error=BackendUnavailable("unreachable")),), ()):
        _, coordinators = routed_coordinators(*owners, hold_s=0.0)
        with pytest.raises(BackendUnavailable):
            send_heartbeat(coordinators)


def test_cancelled_caller_ends_the_retries():
    async def scenario():
        a = FakeOwner("a", *[GroupRefusal.NOT_COORDINATOR] * 99)
        _, coordinators = routed_coordinators(a)
        call = coordinators.call(heartbeat(IN_0))
        await until(lambda: len(a.group_ids) == 2)
        assert coordinators._retries._retries
        call.cancel()
        await until(lambda: not coordinators._retries._retries)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_first_caller_creates_the_topic():
    async def scenario():
        view, a = ClusterView(), FakeOwner("p-0")
        metadata = FakeMetadata(view)
        topic = OffsetsTopic(view, metadata, partition_count=2)
        coordinators = RoutedCoordinators(topic, {"p-0": a}.get)
        replies = [coordinators.call(heartbeat(group_id)) for group_id in (IN_0, IN_1)]
        assert [(await reply).refusal for reply in replies] == [None, None]
        assert [topic.name for topic in metadata.created] == [OFFSETS_TOPIC]

    asyncio.run(scenario())


def test_bug_in_send_is_raised_to_the_caller():
    _, coordinators = routed_coordinators(FakeOwner("a", error=RuntimeError("oops")))
    with pytest.raises(RuntimeError, match="oops"):
        send_heartbeat(coordinators)


def test_list_has_the_groups_of_all_owners():
    _, coordinators = routed_coordinators(FakeOwner("a"), FakeOwner("b"))
    listed = asyncio.run(coordinators.list_groups(ListGroups()))
    assert [group.group_id for group in listed.groups] == ["of a", "of b"]


def test_list_names_silent_owners_and_has_the_groups_of_the_others():
    owners = [FakeOwner("a"), FakeOwner("b", error=BackendUnavailable("unreachable"))]
    for members in (owners, owners[:1]):
        _, coordinators = routed_coordinators(*members)
        listed = asyncio.run(coordinators.list_groups(ListGroups()))
        assert [group.group_id for group in listed.groups] == ["of a"]
        assert (listed.refusal, listed.unanswered) == (None, ["b"])


def test_list_waits_for_groups_that_are_being_loaded():
    class LoadingOwner(FakeOwner):
        async def list_groups(self, request):
            if self.refusals:
                return ListedGroups(refusal=self.refusals.pop())
            return await super().list_groups(request)

    _, coordinators = routed_coordinators(
        LoadingOwner("a", GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS), FakeOwner("b")
    )
    listed = asyncio.run(coordinators.list_groups(ListGroups()))
    assert [group.group_id for group in listed.groups] == ["of a", "of b"]
    assert listed.refusal is None


def test_listing_does_not_create_the_topic():
    view = ClusterView()
    metadata = FakeMetadata(view)
    topic = OffsetsTopic(view, metadata, partition_count=2)
    listed = asyncio.run(RoutedCoordinators(topic, {}.get).list_groups(ListGroups()))
    assert (listed, metadata.created) == (ListedGroups(), [])


@pytest.mark.parametrize(
    ("request_", "ends"), [(SyncGroup("g", "m", 1), True), (heartbeat("g"), False)]
)
def test_first_attempt_is_cancelled_with_its_caller_unless_it_outlives_it(request_, ends):
    """A sync without its caller would wait in vain; a heartbeat is executed all the same."""

    class WaitingOwner(FakeOwner):
        def call(self, request):
            self.reply = asyncio.get_running_loop().create_future()
            return self.reply

    async def scenario():
        a, b = WaitingOwner("a"), WaitingOwner("b")
        _, coordinators = routed_coordinators(a, b)
        request_.group_id = IN_0
        reply = coordinators.call(request_)
        reply.cancel()
        await asyncio.wait([reply])
        assert a.reply.cancelled() is ends

    asyncio.run(scenario())

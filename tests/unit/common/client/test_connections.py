import asyncio

from common.client.connections import MemberConnections
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member
from tests.support.stores.partition_core import CLUSTER_ID
from tests.unit.common.client.owner import view_of


class FakeConnection:
    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        self.is_closed = self.is_lost = False
        self.error: Exception | None = None

    def abandon(self, error: Exception) -> None:
        self.error = error

    async def close(self) -> None:
        self.is_closed = True


def test_member_is_connected_once_at_its_address():
    async def scenario() -> None:
        connections = MemberConnections(view_of(p_0="a:1", p_1="b:2"), FakeConnection)
        first = connections.get("p-0")
        assert (first.name, first.address) == ("p-0", "a:1")
        assert connections.get("p-0") is first
        assert connections.get("p-1").address == "b:2"

    asyncio.run(scenario())


def test_unknown_member_has_no_connection():
    connections = MemberConnections(view_of(), FakeConnection)
    assert connections.get("p-9") is None
    assert connections.existing("p-9") is None


def test_member_is_not_connected_before_it_is_needed():
    async def scenario() -> None:
        connections = MemberConnections(view_of(p_0="a:1", p_1="b:2"), FakeConnection)
        assert connections.existing("p-0") is None
        first = connections.get("p-0")
        assert connections.existing("p-0") is first
        assert connections.existing("p-1") is None
        await connections.close()

    asyncio.run(scenario())


def apply_members(view: ClusterView, *members: Member) -> None:
    view.apply(ClusterChange(view.revision + 1, CLUSTER_ID, members=members))


def test_member_at_another_address_is_connected_again_and_the_old_connection_closed():
    async def scenario() -> None:
        view = view_of(p_0="a:1", p_1="b:2")
        connections = MemberConnections(view, FakeConnection)
        before, other = connections.get("p-0"), connections.get("p-1")
        apply_members(view, Member("p-0", "a:9"))
        connections.view_changed()
        # Pending requests fail before anything is sent over the new connection.
        assert "p-0 is at a:9 now" in str(before.error)
        after = connections.existing("p-0")
        assert after.address == "a:9"
        assert connections.get("p-0") is after
        assert connections.get("p-1") is other
        await asyncio.sleep(0)
        assert before.is_closed
        assert not after.is_closed
        await connections.close()

    asyncio.run(scenario())


def test_lost_member_that_registers_again_at_its_address_is_connected_again():
    async def scenario() -> None:
        view = view_of(p_0="a:1")
        connections = MemberConnections(view, FakeConnection)
        first = connections.get("p-0")
        # The new process was reached before the view changed.
        apply_members(view, Member("p-0", "a:1", "volume", 2))
        connections.view_changed()
        assert connections.get("p-0") is first
        first.is_lost = True
        connections.view_changed()
        assert connections.get("p-0") is first
        apply_members(view, Member("p-0", "a:1", "volume", 3))
        connections.view_changed()
        assert connections.get("p-0") is not first
        await connections.close()

    asyncio.run(scenario())


def test_all_connects_every_member_of_the_view():
    async def scenario() -> None:
        connections = MemberConnections(view_of(p_0="a:1", p_1="b:2"), FakeConnection)
        assert [connection.address for connection in connections.all()] == ["a:1", "b:2"]
        await connections.close()

    asyncio.run(scenario())

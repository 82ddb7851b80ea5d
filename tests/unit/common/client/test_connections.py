import asyncio

from common.client.connections import Owners
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member
from tests.support.stores.partition_core import CLUSTER_ID
from tests.unit.common.client.owner import view_of


class Connection:
    def __init__(self, name: str, address: str, taker: object) -> None:
        self.name, self.address, self.taker = name, address, taker
        self.is_closed = self.is_lost = False
        self.error: Exception | None = None

    def abandon(self, error: Exception) -> None:
        self.error = error

    async def close(self) -> None:
        self.is_closed = True


def test_an_owner_is_connected_once_at_its_address():
    async def story() -> None:
        owners = Owners(view_of(p_0="a:1", p_1="b:2"), Connection)
        first = owners.named("p-0")
        assert (first.name, first.address) == ("p-0", "a:1")
        assert owners.named("p-0") is first
        assert owners.named("p-1").address == "b:2"

    asyncio.run(story())


def test_nobody_of_that_name_is_none():
    owners = Owners(view_of(), Connection)
    assert owners.named("p-9") is None
    assert owners.connected("p-9") is None


def test_only_who_was_asked_for_is_connected_and_knows_who_takes_appends_back():
    async def story() -> None:
        owners = Owners(view_of(p_0="a:1", p_1="b:2"), Connection)
        owners.taker = taker = object()
        assert owners.connected("p-0") is None
        first = owners.named("p-0")
        assert owners.connected("p-0") is first
        assert owners.connected("p-1") is None
        assert first.taker is taker
        await owners.close()

    asyncio.run(story())


def changed(view: ClusterView, *members: Member) -> None:
    view.apply(ClusterChange(view.revision + 1, CLUSTER_ID, members=members))


def test_an_owner_that_moved_is_connected_again_at_once_and_the_old_connection_closed():
    async def story() -> None:
        view = view_of(p_0="a:1", p_1="b:2")
        owners = Owners(view, Connection)
        before, other = owners.named("p-0"), owners.named("p-1")
        changed(view, Member("p-0", "a:9"))
        owners.view_changed()
        # What has no answer fails before anything goes over the new connection.
        assert "p-0 is at a:9 now" in str(before.error)
        after = owners.connected("p-0")
        assert after.address == "a:9"
        assert owners.named("p-0") is after
        assert owners.named("p-1") is other
        await asyncio.sleep(0)
        assert before.is_closed
        assert not after.is_closed
        await owners.close()

    asyncio.run(story())


def test_a_lost_owner_that_comes_back_at_its_address_is_connected_again_at_once():
    async def story() -> None:
        view = view_of(p_0="a:1")
        owners = Owners(view, Connection)
        first = owners.named("p-0")
        # The new process was reached before the view changed.
        changed(view, Member("p-0", "a:1", "volume", 2))
        owners.view_changed()
        assert owners.named("p-0") is first
        first.is_lost = True
        owners.view_changed()
        assert owners.named("p-0") is first
        changed(view, Member("p-0", "a:1", "volume", 3))
        owners.view_changed()
        assert owners.named("p-0") is not first
        await owners.close()

    asyncio.run(story())


def test_all_are_those_that_the_cluster_knows():
    async def story() -> None:
        owners = Owners(view_of(p_0="a:1", p_1="b:2"), Connection)
        assert [one.address for one in owners.all()] == ["a:1", "b:2"]
        await owners.close()

    asyncio.run(story())

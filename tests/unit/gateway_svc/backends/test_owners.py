import asyncio

from common.ports.metadata import ClusterChange, Member
from gateway_svc.backends.owners import Owners
from tests.support.partition_core import CLUSTER_ID
from tests.unit.gateway_svc.backends.owner import view_of


class Connection:
    def __init__(self, name: str, address: str, taker: object) -> None:
        self.name, self.address, self.taker = name, address, taker
        self.is_closed = False

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


def test_an_owner_that_moved_is_connected_again_and_the_old_connection_closed():
    async def story() -> None:
        view = view_of(p_0="a:1")
        owners = Owners(view, Connection)
        before = owners.named("p-0")
        view.apply(ClusterChange(2, CLUSTER_ID, members=[Member("p-0", "a:9")]))
        after = owners.named("p-0")
        assert after.address == "a:9"
        await asyncio.sleep(0)
        assert before.is_closed
        assert not after.is_closed
        await owners.close()
        assert after.is_closed

    asyncio.run(story())


def test_all_are_those_that_the_cluster_knows():
    async def story() -> None:
        owners = Owners(view_of(p_0="a:1", p_1="b:2"), Connection)
        assert [one.address for one in owners.all()] == ["a:1", "b:2"]
        await owners.close()

    asyncio.run(story())

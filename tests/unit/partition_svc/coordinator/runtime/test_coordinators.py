from contextlib import asynccontextmanager

from common.rpc.messages.group_calls import GROUP_CALLS
from partition_svc.coordinator.runtime import coordinators
from tests.contracts.coordinators_contract import CoordinatorsContract
from tests.support.groups.groups import running_coordinators


class TestOwnedCoordinators(CoordinatorsContract):
    @asynccontextmanager
    async def opened(self, folder, **settings):
        async with running_coordinators(folder, **settings) as (_, opened):
            yield opened


def test_each_call_has_a_handler():
    assert coordinators._HANDLERS.keys() == GROUP_CALLS.keys()

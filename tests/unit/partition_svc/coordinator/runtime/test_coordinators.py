from contextlib import asynccontextmanager

from tests.contracts.coordinators_contract import CoordinatorsContract
from tests.support.groups.groups import running_coordinators


class TestOwnedCoordinators(CoordinatorsContract):
    @asynccontextmanager
    async def opened(self, folder, **settings):
        async with running_coordinators(folder, **settings) as (_, coordinators):
            yield coordinators

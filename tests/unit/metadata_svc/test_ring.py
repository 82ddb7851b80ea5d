from contextlib import asynccontextmanager

from metadata_svc.core import LocalMetadata
from metadata_svc.moves.scheduler import RingPolicy
from metadata_svc.topics.create import Defaults
from tests.contracts.disk_contract import DiskContract
from tests.contracts.member_process_contract import MemberProcessContract
from tests.contracts.ring_contract import (
    MOVES_MAX,
    MOVES_PER_MEMBER_MAX,
    RingContract,
)
from tests.support.stores.memory_store import MemoryKvStore

POLICY = RingPolicy(
    moves_max=MOVES_MAX, moves_per_member_max=MOVES_PER_MEMBER_MAX, fence_timeout_ms=600_000
)


@asynccontextmanager
async def open_ring(store=None, policy=POLICY):
    core = LocalMetadata(
        MemoryKvStore() if store is None else store,
        defaults=Defaults(1, 1),
        lease_ms=10_000,
        ring_policy=policy,
    )
    try:
        await core.open(broker_configs={})
        yield core
    finally:
        await core.close()


class TestRingCore(RingContract, MemberProcessContract, DiskContract):
    @asynccontextmanager
    async def opened(self):
        async with open_ring() as core:
            yield core, core.ring

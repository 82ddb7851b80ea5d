from contextlib import asynccontextmanager

from common.kv.memory import MemoryKvStore
from metadata_svc.core import MetadataCore
from metadata_svc.topic_creation import Defaults
from tests.contracts.metadata_contract import (
    BROKER_CONFIGS,
    DEFAULT_PARTITIONS,
    MetadataContract,
)


@asynccontextmanager
async def opened_core(store=None, broker_configs=BROKER_CONFIGS):
    core = MetadataCore(
        MemoryKvStore() if store is None else store, defaults=Defaults(DEFAULT_PARTITIONS, 1)
    )
    try:
        await core.open(broker_configs=broker_configs)
        yield core
    finally:
        await core.close()


class TestMetadataCore(MetadataContract):
    def opened(self):
        return opened_core()

"""Assembly of the metadata service: its core from settings, its gRPC services."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from common.kv.rocks import RocksKvStore
from common.kv.store import KvStore
from common.rpc.server import Service
from metadata_svc.config import MetadataSettings, broker_configs, ring_policy
from metadata_svc.core import LocalMetadata
from metadata_svc.ring_servicer import service as ring_service
from metadata_svc.servicer import service
from metadata_svc.topics.create import Defaults


@asynccontextmanager
async def open_core(
    settings: MetadataSettings, topic_defaults: Any
) -> AsyncIterator[LocalMetadata]:
    """Opens a core on the store in `data.dir` and closes it when the context ends.

    Raises:
        KvStoreFailed: the store cannot be opened or read; another process may have locked it.
    """
    store = await asyncio.to_thread(RocksKvStore, Path(settings.data_dir))
    core = new_core(settings, store)
    try:
        await core.open(broker_configs=broker_configs(settings, topic_defaults))
        yield core
    finally:
        await core.close()


def new_core(settings: MetadataSettings, store: KvStore) -> LocalMetadata:
    """Returns a core on `store` that is not open yet."""
    defaults = Defaults(settings.num_partitions, settings.default_replication_factor)
    return LocalMetadata(
        store, defaults=defaults, lease_ms=settings.lease_ms, ring_policy=ring_policy(settings)
    )


def services_of(core: LocalMetadata) -> Sequence[Service]:
    """Returns the gRPC services of a core."""
    return [service(core), ring_service(core.ring)]

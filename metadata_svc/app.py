"""The metadata service put together: from settings to a core, and to a server of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from common.kv.rocks import RocksKvStore
from common.rpc.server import RpcServer
from metadata_svc.config import MetadataSettings, broker_configs, ring_policy
from metadata_svc.core import MetadataCore
from metadata_svc.ring_servicer import service as ring_service
from metadata_svc.servicer import service
from metadata_svc.topic_creation import Defaults

log = logging.getLogger(__name__)

#: How long calls in flight may take to end.
_STOP_GRACE_S = 1.0


@asynccontextmanager
async def open_core(settings: MetadataSettings, topic_defaults: Any) -> AsyncIterator[MetadataCore]:
    """A core on the store in `data.dir`, open for as long as the context is.

    Raises:
        StorageFailed: the store cannot be opened or read; another process may hold it.
    """
    store = await asyncio.to_thread(RocksKvStore, Path(settings.data_dir))
    defaults = Defaults(settings.num_partitions, settings.default_replication_factor)
    core = MetadataCore(
        store, defaults=defaults, lease_ms=settings.lease_ms, ring_policy=ring_policy(settings)
    )
    try:
        await core.open(broker_configs=broker_configs(settings, topic_defaults))
        yield core
    finally:
        await core.close()


async def serve(settings: MetadataSettings, topic_defaults: Any, stop: asyncio.Event) -> None:
    """Runs the service until `stop` is set.

    Raises:
        StorageFailed: the store cannot be opened or read.
        AddressTaken: nothing can listen on `grpc.listen`.
    """
    async with open_core(settings, topic_defaults) as core:
        server = RpcServer([service(core), ring_service(core.ring)], address=settings.grpc_listen)
        await server.start()
        try:
            await server.set_ready(True)
            await stop.wait()
        finally:
            core.end_watches()
            await server.stop(grace_s=_STOP_GRACE_S)

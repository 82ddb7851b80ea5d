"""Assembly of the metadata service: from settings to a core, and to a gRPC server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from common.etcd.client import EtcdClient
from common.kv.rocks import RocksKvStore
from common.kv.store import KvStore, KvStoreFailed
from common.rpc.server import RpcServer, Service
from metadata_svc.config import MetadataSettings, broker_configs, ring_policy
from metadata_svc.core import LocalMetadata
from metadata_svc.election.candidate import Candidate
from metadata_svc.ring_servicer import service as ring_service
from metadata_svc.ring_servicer import tell_of_moves
from metadata_svc.servicer import service
from metadata_svc.store_config import ETCD, StoreSettings
from metadata_svc.topics.create import Defaults

log = logging.getLogger(__name__)

#: Time limit for calls in flight when the server stops.
_STOP_GRACE_S = 1.0


@asynccontextmanager
async def open_core(
    settings: MetadataSettings, topic_defaults: Any
) -> AsyncIterator[LocalMetadata]:
    """Opens a core on the store in `data.dir` and closes it when the context ends.

    Raises:
        KvStoreFailed: the store cannot be opened or read; another process may have locked it.
    """
    store = await asyncio.to_thread(RocksKvStore, Path(settings.data_dir))
    core = _core(settings, store)
    try:
        await core.open(broker_configs=broker_configs(settings, topic_defaults))
        yield core
    finally:
        await core.close()


async def serve(
    settings: MetadataSettings,
    topic_defaults: Any,
    stop: asyncio.Event,
    store_settings: StoreSettings | None = None,
) -> None:
    """Runs the service until `stop` is set. Without `store_settings` it stores in `data.dir`.

    Raises:
        KvStoreFailed: the store cannot be opened or read.
        AddressInUse: the server cannot listen on `grpc.listen`.
        LeadershipLost: on etcd, another process may lead now.
    """
    if store_settings is not None and store_settings.store == ETCD:
        await _serve_on_etcd(settings, topic_defaults, stop, store_settings)
    else:
        await _serve_on_rocksdb(settings, topic_defaults, stop)


async def _serve_on_rocksdb(
    settings: MetadataSettings, topic_defaults: Any, stop: asyncio.Event
) -> None:
    async with open_core(settings, topic_defaults) as core:
        services = _services(core)
        server = RpcServer(services, address=settings.grpc_listen)
        await server.start()
        try:
            for rpc_service in services:
                await server.set_serving(rpc_service.name, True)
            tell_of_moves(core, server)
            await server.set_ready(True)
            await stop.wait()
        finally:
            core.end_watches()
            await server.stop(grace_s=_STOP_GRACE_S)


async def _serve_on_etcd(
    settings: MetadataSettings,
    topic_defaults: Any,
    stop: asyncio.Event,
    store_settings: StoreSettings,
) -> None:
    try:
        client = EtcdClient(store_settings.endpoints, store_settings.tls)
    except OSError as error:
        raise KvStoreFailed(f"cannot read a file named by etcd.ssl.*: {error}") from error
    with client:
        candidate = Candidate(
            store_settings,
            client,
            address=settings.grpc_listen,
            make_core=lambda store: _core(settings, store),
            services=_services,
        )
        await candidate.run(stop, broker_configs=broker_configs(settings, topic_defaults))


def _core(settings: MetadataSettings, store: KvStore) -> LocalMetadata:
    defaults = Defaults(settings.num_partitions, settings.default_replication_factor)
    return LocalMetadata(
        store, defaults=defaults, lease_ms=settings.lease_ms, ring_policy=ring_policy(settings)
    )


def _services(core: LocalMetadata) -> Sequence[Service]:
    return [service(core), ring_service(core.ring)]

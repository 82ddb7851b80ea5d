"""The metadata service as a process of its own: its gRPC server, on the local disk or on etcd."""

import asyncio
from typing import Any

from common.etcd.client import EtcdClient
from common.kv.store import KvStoreFailed
from common.rpc.server import RpcServer
from metadata_svc.assembly import new_core, open_core, services_of
from metadata_svc.config import MetadataSettings, broker_configs
from metadata_svc.election.candidate import Candidate
from metadata_svc.ring_servicer import publish_health
from metadata_svc.store_config import ETCD, StoreSettings

#: Time limit for calls in flight when the server stops.
_STOP_GRACE_S = 1.0


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
        services = services_of(core)
        server = RpcServer(services, address=settings.grpc_listen)
        await server.start()
        try:
            for rpc_service in services:
                await server.set_serving(rpc_service.name, True)
            publish_health(core, server)
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
            make_core=lambda store: new_core(settings, store),
            services=services_of,
        )
        await candidate.run(stop, broker_configs=broker_configs(settings, topic_defaults))

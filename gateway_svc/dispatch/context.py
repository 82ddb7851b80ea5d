"""Contexts of handlers: the version and client of a request, its connection, and the services."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from common.client.groups.offsets_topic import OffsetsTopic
from common.cluster.view import ClusterView
from common.ports.coordinators import Coordinators
from common.ports.metadata import Metadata
from common.ports.partitions import Partitions
from gateway_svc.config import GatewaySettings, ListenerAddress
from gateway_svc.dispatch.conversions import Conversions
from gateway_svc.dispatch.long_polls import LongPolls
from gateway_svc.dispatch.response_budget import ResponseBudget
from gateway_svc.producer_ids import ProducerIdPool
from gateway_svc.wire.envelope import RequestHeader


class Peer(NamedTuple):
    """The client's end of a connection, and the listener and address that it connected to."""

    listener: str
    host: str
    port: int
    local_host: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Backends:
    """The services and the state that all handlers of a gateway use.

    `addresses` are the advertised addresses of this gateway by listener. A wildcard host among them
    stands for the host that a client has connected to.
    """

    settings: GatewaySettings
    addresses: Mapping[str, ListenerAddress]
    view: ClusterView
    partitions: Partitions
    coordinators: Coordinators
    offsets_topic: OffsetsTopic
    metadata: Metadata
    producer_ids: ProducerIdPool
    response_budget: ResponseBudget
    conversions: Conversions = field(default_factory=Conversions)
    long_polls: LongPolls = field(default_factory=LongPolls)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The context of a request, shared by requests of a connection that do not differ in it."""

    api_version: int
    client_id: str | None
    peer: Peer
    backends: Backends


class ConnectionContext:
    """The context of one connection. Its clients rarely change their client id."""

    def __init__(self, peer: Peer, backends: Backends) -> None:
        self._peer = peer
        self._backends = backends
        self._client_id: str | None = None
        self._contexts: dict[int, RequestContext] = {}  # by version, all with `_client_id`

    def request_context(self, header: RequestHeader) -> RequestContext:
        if header.client_id != self._client_id:
            self._contexts.clear()
            self._client_id = header.client_id
        context = self._contexts.get(header.api_version)
        if context is None:
            context = RequestContext(
                header.api_version, header.client_id, self._peer, self._backends
            )
            self._contexts[header.api_version] = context
        return context

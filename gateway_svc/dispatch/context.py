"""What a handler may know and use: who asks, in which version, and the services behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from common.client.groups.offsets_topic import GroupTopic
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
    """The other end of a connection, and where it reached us."""

    listener: str
    host: str
    port: int
    local_host: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Backends:
    """What stands behind the gateway, one for all calls.

    `addresses` says by listener what this gateway's clients are told to connect to; where its host
    stands for every address of the machine, the one that they reached.
    """

    settings: GatewaySettings
    addresses: Mapping[str, ListenerAddress]
    view: ClusterView
    partitions: Partitions
    coordinators: Coordinators
    group_topic: GroupTopic
    metadata: Metadata
    producer_ids: ProducerIdPool
    response_budget: ResponseBudget
    conversions: Conversions = field(default_factory=Conversions)
    long_polls: LongPolls = field(default_factory=LongPolls)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request's circumstances. Connections use one again for requests that share them."""

    api_version: int
    client_id: str | None
    peer: Peer
    backends: Backends


class ConnectionContext:
    """Who asks on one connection, which clients name once and for all."""

    def __init__(self, peer: Peer, backends: Backends) -> None:
        self._peer = peer
        self._backends = backends
        self._client_id: str | None = None
        self._calls: dict[int, RequestContext] = {}  # by version, all of `_client_id`

    def call(self, header: RequestHeader) -> RequestContext:
        if header.client_id != self._client_id:
            self._calls.clear()
            self._client_id = header.client_id
        call = self._calls.get(header.api_version)
        if call is None:
            call = RequestContext(header.api_version, header.client_id, self._peer, self._backends)
            self._calls[header.api_version] = call
        return call

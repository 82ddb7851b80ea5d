"""The gateways as brokers: which ones clients of a listener can reach, and at which address."""

from collections.abc import Sequence

from common.config.addresses import is_wildcard
from common.ports.metadata import Gateway
from common.ports.partitions import NO_LEADER_EPOCH, LogId
from gateway_svc.cluster.leadership import Broker, Leadership
from gateway_svc.dispatch.context import RequestContext


def brokers(call: RequestContext) -> list[Broker]:
    """Everyone whom clients of the call's listener can reach, by node id; never nobody.

    Gateways without that listener are left out: their other addresses may be out of reach. Those
    that share an address (one load balancer in front of them) are one broker, by the first id, for
    a client cannot choose between them: it is in a rack only where all of them are.
    """
    own_id = call.backends.settings.node_id
    others = (
        _broker(gateway, call)
        for gateway in call.backends.view.gateways
        if gateway.node_id != own_id
    )
    found = sorted([own_broker(call), *(one for one in others if one is not None)])
    by_address: dict[tuple[str, int], Broker] = {}
    for one in found:
        first = by_address.setdefault((one.host, one.port), one)
        if first.rack != one.rack:
            by_address[one.host, one.port] = first._replace(rack=None)
    return list(by_address.values())


def own_broker(call: RequestContext) -> Broker:
    """This gateway, at its advertised address or else at the one that this client reached."""
    settings = call.backends.settings
    address = call.backends.addresses[call.peer.listener]
    host = call.peer.local_host if is_wildcard(address.host) else address.host
    return Broker(settings.node_id, host, address.port, settings.broker_rack or None)


def leadership(among: Sequence[Broker], call: RequestContext) -> Leadership:
    """Who leads what, as the caller is told."""
    return Leadership(among, rack_of(call.client_id))


def rack_of(client_id: str | None) -> str | None:
    """The rack that a client tells by `rack=NAME` in its client id.

    Clients say in no request but Fetch where they are. The id is read as parts between commas or
    semicolons, so "orders,rack=a" is in rack "a".
    """
    for part in (client_id or "").replace(";", ",").split(","):
        name, is_told, rack = part.partition("=")
        if is_told and name.strip() == "rack":
            return rack.strip() or None
    return None


class Leaders:
    """Who leads the partitions for which one response says "not me" (KIP-951)."""

    def __init__(self, call: RequestContext) -> None:
        self._call = call
        self._among: list[Broker] = []
        self.named: dict[int, Broker] = {}

    def of(self, log: LogId, leader_epoch: int) -> tuple[int, int]:
        """The leader's id, and its epoch: the newer of what we and the owner know."""
        among = self._among = self._among or brokers(self._call)
        view = self._call.backends.view
        topic = view.topic_by_id(log.topic_id)
        count = max(log.partition + 1, len(topic.partitions) if topic else 0)
        leader = leadership(among, self._call).leader(log.topic_id, count, log.partition)
        self.named[leader] = next(one for one in among if one.node_id == leader)
        placement = view.placement(log.topic_id, log.partition)
        known = NO_LEADER_EPOCH if placement is None else placement.leader_epoch
        return leader, max(known, leader_epoch)


def controller(among: Sequence[Broker]) -> Broker:
    """Any gateway can change topics; the first stands for the controller."""
    return among[0]


def _broker(gateway: Gateway, call: RequestContext) -> Broker | None:
    for endpoint in gateway.endpoints:
        if endpoint.listener == call.peer.listener:
            return Broker(gateway.node_id, endpoint.host, endpoint.port, gateway.rack or None)
    return None

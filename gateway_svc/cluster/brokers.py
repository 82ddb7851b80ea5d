"""The gateways as brokers: which ones clients of a listener can reach, and at which address."""

from collections.abc import Sequence

from common.config.addresses import is_wildcard
from common.ports.metadata import Gateway
from gateway_svc.cluster.client_rack import client_rack
from gateway_svc.cluster.leadership import Broker, LeaderAssignment
from gateway_svc.dispatch.context import RequestContext


def brokers(context: RequestContext) -> list[Broker]:
    """Everyone whom clients of the call's listener can reach, by node id; never nobody.

    Gateways without that listener are left out: their other addresses may be out of reach. Those
    that share an address (one load balancer in front of them) are one broker, by the first id, for
    a client cannot choose between them: it is in a rack only where all of them are.
    """
    own_id = context.backends.settings.node_id
    others = (
        _broker(gateway, context)
        for gateway in context.backends.view.gateways
        if gateway.node_id != own_id
    )
    found = sorted([own_broker(context), *(one for one in others if one is not None)])
    by_address: dict[tuple[str, int], Broker] = {}
    for one in found:
        first = by_address.setdefault((one.host, one.port), one)
        if first.rack != one.rack:
            by_address[one.host, one.port] = first._replace(rack=None)
    return list(by_address.values())


def own_broker(context: RequestContext) -> Broker:
    """This gateway, at its advertised address or else at the one that this client reached."""
    settings = context.backends.settings
    address = context.backends.addresses[context.peer.listener]
    host = context.peer.local_host if is_wildcard(address.host) else address.host
    return Broker(settings.node_id, host, address.port, settings.broker_rack or None)


def leader_assignment(among: Sequence[Broker], context: RequestContext) -> LeaderAssignment:
    """Who leads what, as the caller is told."""
    return LeaderAssignment(among, client_rack(context.client_id))


def controller(among: Sequence[Broker]) -> Broker:
    """Any gateway can change topics; the first stands for the controller."""
    return among[0]


def _broker(gateway: Gateway, context: RequestContext) -> Broker | None:
    for endpoint in gateway.endpoints:
        if endpoint.listener == context.peer.listener:
            return Broker(gateway.node_id, endpoint.host, endpoint.port, gateway.rack or None)
    return None

"""The gateways as brokers: those that clients of a listener can reach, with their addresses."""

from collections.abc import Sequence

from common.config.addresses import is_wildcard
from common.ports.metadata import Gateway
from gateway_svc.cluster.client_rack import client_rack
from gateway_svc.cluster.leadership import Broker, LeaderAssignment
from gateway_svc.dispatch.context import RequestContext


def brokers(context: RequestContext) -> list[Broker]:
    """Returns the brokers that clients of the request's listener can reach, by node id.

    The list includes this gateway. Gateways without that listener are left out, as their other
    addresses may be unreachable. Gateways that share an address (behind one load balancer) are one
    broker with the first id, as a client cannot choose between them; it has a rack only if all of
    them are in that rack.
    """
    own_id = context.backends.settings.node_id
    others = (
        _broker(gateway, context)
        for gateway in context.backends.view.gateways
        if gateway.node_id != own_id
    )
    found = sorted([own_broker(context), *(other for other in others if other is not None)])
    by_address: dict[tuple[str, int], Broker] = {}
    for broker in found:
        first = by_address.setdefault((broker.host, broker.port), broker)
        if first.rack != broker.rack:
            by_address[broker.host, broker.port] = first._replace(rack=None)
    return list(by_address.values())


def own_broker(context: RequestContext) -> Broker:
    """Returns this gateway at its advertised address, or at the one that the client has reached."""
    settings = context.backends.settings
    address = context.backends.addresses[context.peer.listener]
    host = context.peer.local_host if is_wildcard(address.host) else address.host
    return Broker(settings.node_id, host, address.port, settings.broker_rack or None)


def leader_assignment(candidates: Sequence[Broker], context: RequestContext) -> LeaderAssignment:
    """Returns the leaders of partitions as clients in the rack of this client see them."""
    return LeaderAssignment(candidates, client_rack(context.client_id))


def controller(candidates: Sequence[Broker]) -> Broker:
    """Returns the first broker: any gateway can change topics, and clients need one of them."""
    return candidates[0]


def _broker(gateway: Gateway, context: RequestContext) -> Broker | None:
    for endpoint in gateway.endpoints:
        if endpoint.listener == context.peer.listener:
            return Broker(gateway.node_id, endpoint.host, endpoint.port, gateway.rack or None)
    return None

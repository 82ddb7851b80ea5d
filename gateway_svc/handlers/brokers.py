"""The gateways as brokers: which ones clients of a listener can reach, and which leads a partition.

A gateway can serve every partition, so "leader" is only the one that clients are sent to. It is
spread evenly and is the same whoever is asked, as long as the same gateways are alive.
"""

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from common.ports.metadata import Gateway
from common.ports.partitions import NO_LEADER_EPOCH, LogId
from gateway_svc.config import WILDCARD_HOSTS
from gateway_svc.handlers.call import Call


class Broker(NamedTuple):
    """A gateway at the address that clients of one listener are told."""

    node_id: int
    host: str
    port: int
    rack: str | None


def brokers(call: Call) -> list[Broker]:
    """Everyone whom clients of the call's listener can reach, by node id; never nobody.

    Gateways without that listener are left out: their other addresses may be out of reach.
    """
    own_id = call.backends.settings.node_id
    others = (
        _broker(gateway, call)
        for gateway in call.backends.view.gateways
        if gateway.node_id != own_id
    )
    found = [_ourselves(call), *(one for one in others if one is not None)]
    return sorted(found)


def leader_of(topic_id: bytes, partition: int, among: Sequence[Broker]) -> Broker:
    """The broker that leads a partition of a topic (16-byte id)."""
    return among[(crc32(topic_id) + partition) % len(among)]


class Leaders:
    """Who leads the partitions for which one response says "not me" (KIP-951)."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._among: list[Broker] = []
        self.named: dict[int, Broker] = {}

    def of(self, log: LogId, leader_epoch: int) -> tuple[int, int]:
        """The leader's id, and its epoch: the newer of what we and the owner know."""
        self._among = self._among or brokers(self._call)
        leader = leader_of(log.topic_id, log.partition, self._among)
        self.named[leader.node_id] = leader
        placement = self._call.backends.view.placement(log.topic_id, log.partition)
        known = NO_LEADER_EPOCH if placement is None else placement.leader_epoch
        return leader.node_id, max(known, leader_epoch)


def controller(among: Sequence[Broker]) -> Broker:
    """Any gateway can change topics; the first stands for the controller."""
    return among[0]


def _broker(gateway: Gateway, call: Call) -> Broker | None:
    for endpoint in gateway.endpoints:
        if endpoint.listener == call.peer.listener:
            return Broker(gateway.node_id, endpoint.host, endpoint.port, gateway.rack)
    return None


def _ourselves(call: Call) -> Broker:
    """At the advertised address; where there is none, at the one that this client reached."""
    settings = call.backends.settings
    address = call.backends.addresses[call.peer.listener]
    host = call.peer.local_host if address.host in WILDCARD_HOSTS else address.host
    return Broker(settings.node_id, host, address.port, settings.broker_rack)

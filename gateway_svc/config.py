"""The gateway's settings, under Kafka's names where Apache Kafka has them."""

import re
from typing import Final, NamedTuple

from common.config.addresses import is_wildcard, metadata_address_setting
from common.config.settings import setting, settings
from common.ports.coordinators import OFFSETS_TOPIC_PARTITIONS

_INT_MAX: Final = 2**31 - 1
_MIB: Final = 1 << 20

#: `NAME://host:port`; the host may be empty, or an IPv6 address in brackets.
_LISTENER = re.compile(r"([A-Za-z0-9_.-]+)://(\[[0-9A-Fa-f:.%]+\]|[^\[\]:/]*):([0-9]{1,5})")


class ListenerAddress(NamedTuple):
    """A listener's name (upper case, as in Kafka) and address; `host` "" is all addresses."""

    name: str
    host: str
    port: int


def parse_listener(text: str) -> ListenerAddress:
    """Parses a listener such as `INTERNAL://host:9092`. Raises ValueError."""
    match = _LISTENER.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"{text!r} is not NAME://host:port")
    return ListenerAddress(match[1].upper(), match[2].strip("[]"), int(match[3]))


def _listeners_problem(texts: tuple[str, ...]) -> str | None:
    try:
        names = [parse_listener(text).name for text in texts]
    except ValueError as error:
        return str(error)
    repeated = sorted({name for name in names if names.count(name) > 1})
    return f"more than one listener {repeated[0]}" if repeated else None


def _bound_listeners_problem(texts: tuple[str, ...]) -> str | None:
    return _listeners_problem(texts) if texts else "at least one NAME://host:port is needed"


def _advertised_problem(texts: tuple[str, ...]) -> str | None:
    problem = _listeners_problem(texts)
    if problem is not None:
        return problem
    for text in texts:
        address = parse_listener(text)
        if is_wildcard(address.host) or not address.port:
            return f"{text!r} is not an address that clients can connect to"
    return None


@settings
class GatewaySettings:
    """The gateway."""

    listeners: tuple[str, ...] = setting(
        "listeners",
        default=("PLAINTEXT://:9092",),
        doc="Addresses that Kafka clients connect to, as NAME://host:port; an empty host is all.",
        check=_bound_listeners_problem,
    )
    advertised_listeners: tuple[str, ...] = setting(
        "advertised.listeners",
        default=(),
        doc="Addresses that clients of a listener connect to, if they differ from the listener's.",
        check=_advertised_problem,
    )
    node_id: int = setting(
        "node.id",
        default=0,
        low=0,
        high=_INT_MAX,
        doc="This gateway's broker id; no two live gateways may share one.",
    )
    broker_rack: str | None = setting(
        "broker.rack", default=None, doc="Rack of this gateway, for clients that name theirs."
    )
    grpc_listen: str = setting(
        "grpc.listen",
        flag="--grpc-listen",
        default="0.0.0.0:9192",
        doc="Address of the gRPC server with health and reflection.",
    )
    metadata_address: str = metadata_address_setting()
    socket_request_max_bytes: int = setting(
        "socket.request.max.bytes",
        default=100 * _MIB,
        low=1024,
        high=_INT_MAX,
        unit="bytes",
        doc="Maximum size of a request; a larger one closes its connection.",
    )
    queued_max_request_bytes: int = setting(
        "queued.max.request.bytes",
        default=256 * _MIB,
        low=_MIB,
        unit="bytes",
        doc="Memory for the requests and unsent responses of all connections together.",
    )
    connection_queued_max_request_bytes: int = setting(
        "connection.queued.max.request.bytes",
        default=32 * _MIB,
        low=64 << 10,
        unit="bytes",
        doc="Memory for the unanswered requests of one connection; one request may be larger.",
    )
    max_connections: int = setting(
        "max.connections",
        default=10_000,
        low=1,
        high=_INT_MAX,
        doc="Maximum number of open connections; more are refused.",
    )
    max_connections_per_ip: int = setting(
        "max.connections.per.ip",
        default=_INT_MAX,
        low=1,
        high=_INT_MAX,
        doc="Maximum number of open connections from one IP address; more are refused.",
    )
    connections_max_idle_ms: int = setting(
        "connections.max.idle.ms",
        default=10 * 60 * 1000,
        low=1000,
        unit="ms",
        doc="A connection without requests for this long is closed; no poll is longer.",
    )
    connections_max_stalled_ms: int = setting(
        "connections.max.stalled.ms",
        default=60 * 1000,
        low=1000,
        unit="ms",
        doc="A connection that transfers no byte of a request or response for this long is closed.",
    )
    connections_min_bytes_per_second: int = setting(
        "connections.min.bytes.per.second",
        default=1024,
        low=0,
        unit="bytes",
        doc="Minimum transfer rate of a request or response over connections.max.stalled.ms, and "
        "64 times as much while others wait for memory; slower connections are closed. 0: none.",
    )
    shutdown_grace_ms: int = setting(
        "shutdown.grace.ms",
        default=15_000,
        low=0,
        unit="ms",
        doc="How long requests in flight may take when the process is stopped.",
    )
    fetch_max_bytes: int = setting(
        "fetch.max.bytes",
        default=55 * _MIB,
        low=1024,
        high=_INT_MAX,
        unit="bytes",
        doc="Maximum size of a Fetch response, unless its first batch is larger.",
    )
    auto_create_topics_enable: bool = setting(
        "auto.create.topics.enable",
        default=True,
        doc="Create missing topics on Metadata requests that allow it.",
    )
    auto_create_timeout_ms: int = setting(
        "auto.create.topics.timeout.ms",
        default=10_000,
        low=1,
        unit="ms",
        doc="Timeout of creating topics on Metadata requests, after which clients retry.",
    )
    delete_topic_enable: bool = setting(
        "delete.topic.enable", default=True, doc="Allow clients to delete topics."
    )
    append_timeout_ms: int = setting(
        "append.timeout.ms",
        default=30_000,
        low=100,
        unit="ms",
        doc="A partition service that does not respond to an append for this long counts as lost.",
    )
    offsets_topic_num_partitions: int = setting(
        "offsets.topic.num.partitions",
        default=OFFSETS_TOPIC_PARTITIONS,
        low=1,
        high=10_000,
        doc="Partitions of the topic that stores consumer groups, when it is created.",
    )
    offsets_retention_minutes: int = setting(
        "offsets.retention.minutes",
        default=10_080,
        low=1,
        high=_INT_MAX,
        unit="minutes",
        doc="Value shown to clients; the partition services apply their setting of this name.",
    )
    move_hold_max_ms: int = setting(
        "move.hold.max.ms",
        default=10_000,
        low=0,
        unit="ms",
        doc="How long requests wait for a moving partition before clients must refresh metadata.",
    )

    def __post_init__(self) -> None:
        names = {address.name for address in self.bound}
        for text in self.advertised_listeners:
            if parse_listener(text).name not in names:
                raise ValueError(f"advertised.listeners: {text} is not one of listeners")

    @property
    def bound(self) -> tuple[ListenerAddress, ...]:
        """The parsed `listeners`."""
        return tuple(parse_listener(text) for text in self.listeners)

    def advertised(self, listener: str) -> ListenerAddress | None:
        """Returns the address of a listener in `advertised.listeners`, or None."""
        addresses = (parse_listener(text) for text in self.advertised_listeners)
        return next((address for address in addresses if address.name == listener), None)

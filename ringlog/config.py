"""The settings of the standalone process: its own, and those of its services."""

from pathlib import Path
from typing import Any, Final, NamedTuple

from common.config.addresses import bindable, host_and_port
from common.config.settings import setting, settings
from common.config.sources import Configuration
from common.runtime.process import ProcessSettings
from gateway_svc.config import GatewaySettings
from metadata_svc.config import MetadataSettings, TopicDefaults
from partition_svc.config import PartitionSettings

#: Settings that separate processes need; here the process sets them itself.
FIXED: Final = ("member.name", "metadata.address")

_REBALANCE_DELAY: Final = "group.initial.rebalance.delay.ms"


def _address_problem(address: str) -> str | None:
    try:
        host_and_port(address)
    except ValueError as error:
        return str(error)
    return None


@settings
class StandaloneSettings:
    """The standalone process."""

    listen: str = setting(
        "listen",
        default="localhost:9092",
        flag="--listen",
        check=_address_problem,
        doc="HOST:PORT for Kafka clients; port 0 takes a free one.",
    )
    data_dir: str = setting(
        "data.dir", default="./data", flag="--data-dir", doc="Directory of all data."
    )
    grpc_listen: str | None = setting(
        "grpc.listen",
        default=None,
        flag="--grpc-listen",
        check=_address_problem,
        doc="HOST:PORT of the gRPC server; not set: the port after Kafka's, or a free one.",
    )


CLASSES: Final[list[type[Any]]] = [
    StandaloneSettings,
    GatewaySettings,
    PartitionSettings,
    MetadataSettings,
    TopicDefaults,
    ProcessSettings,
]


class Services(NamedTuple):
    """The settings of all services in the process."""

    own: StandaloneSettings
    gateway: GatewaySettings
    partition: PartitionSettings
    metadata: MetadataSettings
    topic_defaults: Any
    process: ProcessSettings


def settings_of(configuration: Configuration) -> Services:
    """Returns the settings of each service: the given ones, and those set by the process."""
    own = configuration.of(StandaloneSettings)
    folder = Path(own.data_dir)
    gateway = configuration.of(GatewaySettings, _listeners(configuration, own))
    # Only the host counts: other services get the port that is bound later.
    grpc_listen = own.grpc_listen or f"{bindable(gateway.bound[0].host)}:0"
    partition: dict[str, object] = {
        "data.dir": str(folder / "partition"),
        "grpc.listen": grpc_listen,
    }
    # A broker for tests should not wait for more members.
    if _REBALANCE_DELAY not in configuration.given:
        partition[_REBALANCE_DELAY] = 0
    return Services(
        own=own,
        gateway=gateway,
        partition=configuration.of(PartitionSettings, partition),
        metadata=configuration.of(MetadataSettings, {"data.dir": str(folder / "metadata")}),
        topic_defaults=configuration.of(TopicDefaults),
        process=configuration.of(ProcessSettings),
    )


def _listeners(configuration: Configuration, own: StandaloneSettings) -> dict[str, object]:
    """Returns `listen` as the only listener, unless `listeners` is given."""
    if "listeners" in configuration.given:
        return {}
    host, port = host_and_port(own.listen)
    return {"listeners": [f"PLAINTEXT://{host}:{port}"]}

"""The settings of the standalone process: its own, and those of its services as it sees them."""

from pathlib import Path
from typing import Any, Final, NamedTuple

from common.config.addresses import bindable, host_and_port
from common.config.settings import setting, settings
from common.config.sources import Configuration
from common.runtime.process import ProcessSettings
from gateway_svc.config import GatewaySettings
from metadata_svc.config import MetadataSettings, TopicDefaults
from partition_svc.config import PartitionSettings

#: What somebody else is told in three processes; here the process knows.
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
        "data.dir", default="./data", flag="--data-dir", doc="Folder of everything that is kept."
    )
    grpc_listen: str | None = setting(
        "grpc.listen",
        default=None,
        flag="--grpc-listen",
        check=_address_problem,
        doc="HOST:PORT of the gRPC server; not set: beside Kafka's port, or a free one.",
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
    """The settings of everything that runs in the process."""

    own: StandaloneSettings
    gateway: GatewaySettings
    partition: PartitionSettings
    metadata: MetadataSettings
    topic_defaults: Any
    process: ProcessSettings


def settings_of(configuration: Configuration) -> Services:
    """Each service's settings: what was given, and what the process decides for them."""
    own = configuration.of(StandaloneSettings)
    folder = Path(own.data_dir)
    gateway = configuration.of(GatewaySettings, _listeners(configuration, own))
    # Only the host counts: others are told the port that the server then has.
    grpc_listen = own.grpc_listen or f"{bindable(gateway.bound[0].host)}:0"
    partition: dict[str, object] = {
        "data.dir": str(folder / "partition"),
        "grpc.listen": grpc_listen,
    }
    # Whoever starts a broker for a test does not want to wait for members that do not come.
    if _REBALANCE_DELAY not in configuration.given:
        partition[_REBALANCE_DELAY] = 0
    return Services(
        own,
        gateway,
        configuration.of(PartitionSettings, partition),
        configuration.of(MetadataSettings, {"data.dir": str(folder / "metadata")}),
        configuration.of(TopicDefaults),
        configuration.of(ProcessSettings),
    )


def _listeners(configuration: Configuration, own: StandaloneSettings) -> dict[str, object]:
    """`listen` is one listener; whoever names `listeners` wants those in its place."""
    if "listeners" in configuration.given:
        return {}
    host, port = host_and_port(own.listen)
    return {"listeners": [f"PLAINTEXT://{host}:{port}"]}

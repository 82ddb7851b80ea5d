"""Settings of the metadata service, with Kafka's names where Apache Kafka has them.

Topic defaults are settings too: one for each broker config in the table of topic configs, with the
checks of its topic config.
"""

from collections.abc import Callable
from dataclasses import make_dataclass
from typing import Any, Final

from common.config.settings import as_text, declared, setting, settings, value_of
from common.config.topic_config_table import TOPIC_CONFIGS, BrokerSynonym, TopicConfig
from common.config.topic_configs import check_together
from common.config.values import INT_MAX, ConfigType
from metadata_svc.moves.scheduler import RingPolicy
from metadata_svc.topics.create import PARTITIONS_PER_REQUEST_MAX

NUM_PARTITIONS: Final = "num.partitions"
DEFAULT_REPLICATION_FACTOR: Final = "default.replication.factor"

_KINDS: dict[ConfigType, Any] = {
    ConfigType.BOOLEAN: bool,
    ConfigType.STRING: str,
    ConfigType.INT: int,
    ConfigType.LONG: int,
    ConfigType.DOUBLE: float,
    ConfigType.LIST: tuple[str, ...],
}


@settings
class MetadataSettings:
    """The metadata service."""

    data_dir: str = setting(
        "data.dir", flag="--data-dir", default="data/metadata", doc="Directory of the metadata."
    )
    grpc_listen: str = setting(
        "grpc.listen",
        flag="--grpc-listen",
        default="0.0.0.0:9392",
        doc="Listen address of the gRPC server, host:port; port 0 picks a free port.",
    )
    num_partitions: int = setting(
        NUM_PARTITIONS,
        default=1,
        low=1,
        high=PARTITIONS_PER_REQUEST_MAX,
        doc="Number of partitions of a topic that is created without a number.",
    )
    default_replication_factor: int = setting(
        DEFAULT_REPLICATION_FACTOR,
        default=1,
        low=1,
        high=2**15 - 1,
        doc="Replication factor of a topic that is created without one. ringlog keeps one copy "
        "with any factor; like Kafka it rejects a factor above the number of live gateways.",
    )
    lease_ms: int = setting(
        "broker.session.timeout.ms",
        default=9_000,
        low=100,
        high=INT_MAX,
        unit="ms",
        doc="Time without a message after which a gateway or partition service counts as dead.",
    )
    ring_join: str = setting(
        "ring.join",
        default="auto",
        choices=("auto", "manual"),
        doc="'auto': a new partition service joins the ring when it registers. 'manual': it joins "
        "with `ringlog ring add`. A drained one stays out of the ring in both cases.",
    )
    ring_moves_max: int = setting(
        "ring.moves.max",
        default=4,
        low=1,
        high=1_000,
        doc="Maximum number of concurrent moves of partitions between partition services.",
    )
    ring_moves_per_member_max: int = setting(
        "ring.moves.per.member.max",
        default=2,
        low=1,
        high=1_000,
        doc="Maximum number of concurrent moves from or to one partition service.",
    )
    ring_move_fence_timeout_ms: int = setting(
        "ring.move.fence.timeout.ms",
        default=5_000,
        low=100,
        high=INT_MAX,
        unit="ms",
        doc="Time for which a move may block appends to its partition; then the move is rolled "
        "back and retried later.",
    )


def ring_policy(own: MetadataSettings) -> RingPolicy:
    """Returns the settings of the ring and its moves."""
    return RingPolicy(
        joins=own.ring_join == "auto",
        moves_max=own.ring_moves_max,
        moves_per_member_max=own.ring_moves_per_member_max,
        fence_timeout_ms=own.ring_move_fence_timeout_ms,
    )


def _topic_default(config: TopicConfig, synonym: BrokerSynonym) -> tuple[str, Any, Any]:
    """Returns a settings field for one broker config.

    Its default is None, since DescribeConfigs distinguishes set values from defaults.
    """
    kind = int if synonym.factor != 1 else _KINDS[config.type]
    field = setting(
        synonym.name,
        default=None,
        doc=f"Default of the topic config {config.name}; {config.default or 'empty'} if not set.",
        check=_check(config, synonym),
    )
    return synonym.name.replace(".", "_"), kind | None, field


def _check(config: TopicConfig, synonym: BrokerSynonym) -> Callable[[Any], str | None]:
    return lambda value: config.problem(synonym.convert(as_text(value)))


def _check_defaults(defaults: Any) -> None:
    problem = check_together({}, _given(defaults))
    if problem is not None:
        raise ValueError(problem)


def _given(instance: Any) -> dict[str, str]:
    """Returns the values that were set, by setting name."""
    values = ((item.name, value_of(instance, item)) for item in declared(type(instance)))
    return {name: as_text(value) for name, value in values if value is not None}


#: Settings class with a field for each broker config that is the default of a topic config.
TopicDefaults: Final[type[Any]] = make_dataclass(
    "TopicDefaults",
    [
        _topic_default(config, synonym)
        for config in TOPIC_CONFIGS.values()
        for synonym in config.synonyms
    ],
    namespace={
        "__doc__": "Topic defaults; each topic can override them.",
        "__post_init__": _check_defaults,
    },
    frozen=True,
    slots=True,
    kw_only=True,
)


def broker_configs(own: MetadataSettings, topic_defaults: Any) -> dict[str, str]:
    """Returns the broker configs sent to watchers: creation defaults and set topic defaults."""
    return {
        NUM_PARTITIONS: str(own.num_partitions),
        DEFAULT_REPLICATION_FACTOR: str(own.default_replication_factor),
        **_given(topic_defaults),
    }

"""Configs of topics and of this broker, each with its value in force and where that comes from.

Sources are those of DescribeConfigsResponse.ConfigSource. What a topic does not set comes from the
broker config of the same meaning, if that is set, else from the table of defaults.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from common.config.settings import Setting, as_text, declared, value_of
from common.config.topic_config_table import TOPIC_CONFIGS, TopicConfig
from common.config.topic_configs import effective
from common.config.values import INT_MAX, ConfigType
from gateway_svc.config import GatewaySettings


class ConfigSource(IntEnum):
    TOPIC = 1
    STATIC_BROKER = 4
    DEFAULT = 5


class ConfigSynonym(NamedTuple):
    """One of the places where a value can come from, the first that is set wins."""

    name: str
    value: str | None
    source: ConfigSource


class ConfigEntry(NamedTuple):
    """A config as clients are shown it. `value` None: not set, and there is no default."""

    name: str
    value: str | None
    type: ConfigType
    source: ConfigSource
    synonyms: list[ConfigSynonym]
    doc: str
    read_only: bool


def topic_entries(
    configs: Mapping[str, str], broker_configs: Mapping[str, str]
) -> list[ConfigEntry]:
    """Every config of a topic whose own ones are `configs`, by name."""
    return [
        _topic_entry(config, configs, broker_configs) for _, config in sorted(TOPIC_CONFIGS.items())
    ]


def broker_entries(
    settings: GatewaySettings, broker_configs: Mapping[str, str]
) -> list[ConfigEntry]:
    """Every config of this gateway and of the cluster, by name. None can be changed by clients."""
    entries = {one.name: one for one in _topic_defaults(broker_configs)}
    for name, value in broker_configs.items():
        entries.setdefault(name, _cluster_entry(name, value))
    entries.update({one.name: _setting_entry(one, settings) for one in declared(GatewaySettings)})
    entries.update({one.name: one for one in _fixed_entries(settings)})
    return [entry for _, entry in sorted(entries.items())]


def _topic_entry(
    config: TopicConfig, configs: Mapping[str, str], broker_configs: Mapping[str, str]
) -> ConfigEntry:
    synonyms = [
        ConfigSynonym(one.name, broker_configs[one.name], ConfigSource.STATIC_BROKER)
        for one in config.synonyms
        if one.name in broker_configs
    ]
    if config.name in configs:
        synonyms.insert(0, ConfigSynonym(config.name, configs[config.name], ConfigSource.TOPIC))
    if len(config.synonyms) == 1:
        # Of several, as retention.ms has them, the first has no default in Apache Kafka.
        synonyms.append(
            ConfigSynonym(config.synonyms[0].name, config.default, ConfigSource.DEFAULT)
        )
    return ConfigEntry(
        name=config.name,
        value=effective(config.name, configs, broker_configs),
        type=config.type,
        source=synonyms[0].source if synonyms else ConfigSource.DEFAULT,
        synonyms=synonyms,
        doc=config.doc,
        read_only=False,
    )


def _topic_defaults(broker_configs: Mapping[str, str]) -> list[ConfigEntry]:
    """The broker configs that topics take their defaults from."""
    return [
        _broker_entry(
            synonym.name,
            broker_configs.get(synonym.name),
            # Others of the same meaning, in another unit, have no default of their own.
            config.default if synonym is config.synonyms[0] else None,
            config.type,
            f"Default of the topic config {config.name}. {config.doc}",
        )
        for config in TOPIC_CONFIGS.values()
        for synonym in config.synonyms
    ]


def _fixed_entries(settings: GatewaySettings) -> list[ConfigEntry]:
    """Configs of Apache Kafka's brokers that tools read, and that are no settings here."""
    return [
        _broker_entry(
            "broker.id",
            str(settings.node_id),
            "-1",
            ConfigType.INT,
            "The same as node.id.",
        ),
        _broker_entry(
            "log.dirs",
            "",
            None,
            ConfigType.STRING,
            "None: a gateway keeps no logs, the partition services do.",
        ),
        _broker_entry(
            "offsets.topic.replication.factor",
            "1",
            "3",
            ConfigType.SHORT,
            "Every partition has one durable owner.",
        ),
    ]


def _cluster_entry(name: str, value: str) -> ConfigEntry:
    """A setting of the metadata service, known here by name and value only."""
    kind = ConfigType.INT if value.lstrip("-").isdecimal() else ConfigType.STRING
    return _broker_entry(name, value, None, kind, "A setting of the metadata service.")


def _setting_entry(one: Setting, settings: GatewaySettings) -> ConfigEntry:
    value, default = value_of(settings, one), one.default
    return _broker_entry(
        one.name,
        None if value == default else as_text(value),
        None if default is None else as_text(default),
        _type_of(one),
        one.doc,
    )


def _broker_entry(
    name: str, given: str | None, default: str | None, kind: ConfigType, doc: str
) -> ConfigEntry:
    synonyms = []
    if given is not None:
        synonyms.append(ConfigSynonym(name, given, ConfigSource.STATIC_BROKER))
    if default is not None:
        synonyms.append(ConfigSynonym(name, default, ConfigSource.DEFAULT))
    return ConfigEntry(
        name=name,
        value=synonyms[0].value if synonyms else None,
        type=kind,
        source=synonyms[0].source if synonyms else ConfigSource.DEFAULT,
        synonyms=synonyms,
        doc=doc,
        read_only=True,
    )


_TYPES: Final = {
    bool: ConfigType.BOOLEAN,
    str: ConfigType.STRING,
    float: ConfigType.DOUBLE,
    tuple: ConfigType.LIST,
}


def _type_of(one: Setting) -> ConfigType:
    if one.kind is int:
        return ConfigType.INT if one.high is not None and one.high <= INT_MAX else ConfigType.LONG
    return _TYPES[one.kind]

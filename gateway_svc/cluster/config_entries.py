"""Configs of topics and of this broker, each with its effective value and its source.

Sources are those of DescribeConfigsResponse.ConfigSource. A config that a topic does not set comes
from the broker config of the same meaning, if that is set, else from the table of defaults.
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
    """One source of a config's value; the first of its synonyms that is set wins."""

    name: str
    value: str | None
    source: ConfigSource


class ConfigEntry(NamedTuple):
    """A config as DescribeConfigs returns it; `value` is None if there is no default either."""

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
    """Returns all configs of a topic that sets `configs`, by name."""
    return [
        _topic_entry(config, configs, broker_configs) for _, config in sorted(TOPIC_CONFIGS.items())
    ]


def broker_entries(
    settings: GatewaySettings, broker_configs: Mapping[str, str]
) -> list[ConfigEntry]:
    """Returns all configs of this gateway and of the cluster, by name. All are read-only."""
    entries = {entry.name: entry for entry in _topic_defaults(broker_configs)}
    for name, value in broker_configs.items():
        entries.setdefault(name, _cluster_entry(name, value))
    for setting in declared(GatewaySettings):
        entries[setting.name] = _setting_entry(setting, settings)
    entries.update({entry.name: entry for entry in _fixed_entries(settings)})
    return [entry for _, entry in sorted(entries.items())]


def _topic_entry(
    config: TopicConfig, configs: Mapping[str, str], broker_configs: Mapping[str, str]
) -> ConfigEntry:
    synonyms = [
        ConfigSynonym(synonym.name, broker_configs[synonym.name], ConfigSource.STATIC_BROKER)
        for synonym in config.synonyms
        if synonym.name in broker_configs
    ]
    if config.name in configs:
        synonyms.insert(0, ConfigSynonym(config.name, configs[config.name], ConfigSource.TOPIC))
    if len(config.synonyms) == 1:
        # If there are several, as for retention.ms, Apache Kafka lists no default of the first.
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
    """Returns the broker configs that hold the defaults of topic configs."""
    return [
        _broker_entry(
            synonym.name,
            broker_configs.get(synonym.name),
            # Synonyms in other units, such as hours for milliseconds, have no default.
            config.default if synonym is config.synonyms[0] else None,
            config.type,
            f"Default of the topic config {config.name}. {config.doc}",
        )
        for config in TOPIC_CONFIGS.values()
        for synonym in config.synonyms
    ]


def _fixed_entries(settings: GatewaySettings) -> list[ConfigEntry]:
    """Returns configs that Kafka's tools read and that are not settings of this gateway."""
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
    """Returns a setting of the metadata service, of which only name and value are known here."""
    kind = ConfigType.INT if value.lstrip("-").isdecimal() else ConfigType.STRING
    return _broker_entry(name, value, None, kind, "A setting of the metadata service.")


def _setting_entry(setting: Setting, settings: GatewaySettings) -> ConfigEntry:
    value, default = value_of(settings, setting), setting.default
    return _broker_entry(
        setting.name,
        None if value == default else as_text(value),
        None if default is None else as_text(default),
        _type_of(setting),
        setting.doc,
    )


def _broker_entry(
    name: str, value: str | None, default: str | None, kind: ConfigType, doc: str
) -> ConfigEntry:
    synonyms = []
    if value is not None:
        synonyms.append(ConfigSynonym(name, value, ConfigSource.STATIC_BROKER))
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


def _type_of(setting: Setting) -> ConfigType:
    if setting.kind is int:
        return (
            ConfigType.INT
            if setting.high is not None and setting.high <= INT_MAX
            else ConfigType.LONG
        )
    return _TYPES[setting.kind]

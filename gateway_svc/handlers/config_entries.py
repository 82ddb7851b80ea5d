"""Topic and broker configs with where their values come from, as the admin APIs show them.

A topic config's value is the topic's own, else a broker config's, else the default. Values that
could apply, the first of which does, are its synonyms (KIP-226).
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from common.config_values import ConfigType
from common.settings import Setting, as_text, declared, value_of
from common.topic_config_table import TOPIC_CONFIGS, TopicConfig
from gateway_svc.config import GatewaySettings


class ConfigSource(IntEnum):
    """`ConfigSource` of Kafka's DescribeConfigsResponse, those that occur here."""

    TOPIC_CONFIG = 1
    STATIC_BROKER_CONFIG = 4
    DEFAULT_CONFIG = 5


class Synonym(NamedTuple):
    """A value that holds unless one before it does."""

    name: str
    value: str
    source: ConfigSource


class ConfigEntry(NamedTuple):
    """One config. `synonyms` begin with what is in force."""

    name: str
    type: ConfigType
    synonyms: tuple[Synonym, ...]
    documentation: str
    is_read_only: bool

    @property
    def value(self) -> str:
        return self.synonyms[0].value

    @property
    def source(self) -> ConfigSource:
        return self.synonyms[0].source


_KINDS: Final[Mapping[type, ConfigType]] = {
    bool: ConfigType.BOOLEAN,
    int: ConfigType.LONG,
    float: ConfigType.DOUBLE,
    str: ConfigType.STRING,
    tuple: ConfigType.LIST,
}


def topic_entries(
    topic_configs: Mapping[str, str], broker_configs: Mapping[str, str]
) -> Iterator[ConfigEntry]:
    """Every config of a topic, by name."""
    for name, config in TOPIC_CONFIGS.items():
        synonyms = tuple(_topic_synonyms(config, topic_configs, broker_configs))
        yield ConfigEntry(name, config.type, synonyms, config.doc, is_read_only=False)


def _topic_synonyms(
    config: TopicConfig, topic_configs: Mapping[str, str], broker_configs: Mapping[str, str]
) -> Iterator[Synonym]:
    own = topic_configs.get(config.name)
    if own is not None:
        yield Synonym(config.name, own, ConfigSource.TOPIC_CONFIG)
    for one in config.synonyms:
        value = broker_configs.get(one.name)
        if value is not None:
            yield Synonym(one.name, one.converted(value), ConfigSource.STATIC_BROKER_CONFIG)
    default_name = config.synonyms[0].name if config.synonyms else config.name
    yield Synonym(default_name, config.default, ConfigSource.DEFAULT_CONFIG)


def broker_entries(
    settings: GatewaySettings, broker_configs: Mapping[str, str]
) -> Iterator[ConfigEntry]:
    """A gateway's own settings, then what the cluster as a whole was told. All need a restart."""
    names = set()
    for one in declared(GatewaySettings):
        names.add(one.name)
        yield _setting_entry(one, as_text(value_of(settings, one)))
    defaults = {
        synonym.name: (config, synonym.factor)
        for config in TOPIC_CONFIGS.values()
        for synonym in config.synonyms
    }
    for name in sorted((defaults.keys() | broker_configs.keys()) - names):
        yield _cluster_entry(name, broker_configs.get(name), defaults.get(name))


def _setting_entry(one: Setting, value: str) -> ConfigEntry:
    default = as_text(one.default)
    synonyms = [Synonym(one.name, default, ConfigSource.DEFAULT_CONFIG)]
    if value != default:
        synonyms.insert(0, Synonym(one.name, value, ConfigSource.STATIC_BROKER_CONFIG))
    return ConfigEntry(one.name, _KINDS[one.kind], tuple(synonyms), one.doc, is_read_only=True)


def _cluster_entry(
    name: str, value: str | None, of_topics: tuple[TopicConfig, int] | None
) -> ConfigEntry:
    """A default of topics, or a setting of the metadata service, which always says its value."""
    synonyms = []
    if value is not None:
        synonyms.append(Synonym(name, value, ConfigSource.STATIC_BROKER_CONFIG))
    if of_topics is None:
        return ConfigEntry(name, ConfigType.INT, tuple(synonyms), "", is_read_only=True)
    config, factor = of_topics
    if factor == 1:
        synonyms.append(Synonym(name, config.default, ConfigSource.DEFAULT_CONFIG))
    elif value is None:
        # In another unit than the topic's, and only an alternative to it: not set.
        synonyms.append(Synonym(name, "", ConfigSource.DEFAULT_CONFIG))
    return ConfigEntry(name, config.type, tuple(synonyms), config.doc, is_read_only=True)

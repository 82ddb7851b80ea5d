"""Effective values of topic configs, and validation of new values.

The effective value is the topic's own, else the first broker config of the same meaning that is set
(Kafka's ServerTopicConfigSynonyms), else the default. Broker configs come with `ClusterView`; the
table of all configs is in `topic_config_table.py`.
"""

from collections.abc import Mapping

from common.config.topic_config_table import TOPIC_CONFIGS
from common.config.values import Value, read, shortened, write


def effective(
    name: str, topic_configs: Mapping[str, str], broker_configs: Mapping[str, str]
) -> str:
    """Returns the effective value for a topic, as text. Raises KeyError for an unknown name."""
    config = TOPIC_CONFIGS[name]
    own = topic_configs.get(name)
    if own is not None:
        return own
    for synonym in config.synonyms:
        value = broker_configs.get(synonym.name)
        if value is not None:
            return synonym.convert(value)
    return config.default


def effective_value(
    name: str, topic_configs: Mapping[str, str], broker_configs: Mapping[str, str]
) -> Value:
    """Returns the effective value, parsed by the type of the config."""
    return read(TOPIC_CONFIGS[name].type, effective(name, topic_configs, broker_configs))


def effective_int(
    name: str, topic_configs: Mapping[str, str], broker_configs: Mapping[str, str]
) -> int:
    """Returns the effective value of an INT or LONG config."""
    value = effective_value(name, topic_configs, broker_configs)
    assert isinstance(value, int)
    return value


def check(name: str, value: str | None) -> str | None:
    """Returns why a topic cannot have `value` for config `name`, for its user; None if it can."""
    config = TOPIC_CONFIGS.get(name)
    if config is None:
        return f"Unknown topic config name: {shortened(name)}"
    if value is None:
        return f"Null value not supported for topic configs: {name}"
    return config.problem(value)


def check_together(configs: Mapping[str, str], broker_configs: Mapping[str, str]) -> str | None:
    """Returns why values that are valid alone are invalid together; None if they are valid.

    The rules are those of LogConfig.validateValues, and that there is no tiered storage.
    """
    low = effective_int("min.compaction.lag.ms", configs, broker_configs)
    high = effective_int("max.compaction.lag.ms", configs, broker_configs)
    if low > high:
        return f"min.compaction.lag.ms ({low}) is larger than max.compaction.lag.ms ({high})"
    if effective("remote.storage.enable", configs, broker_configs) == "true":
        return "remote.storage.enable cannot be true: there is no tiered storage"
    return None


def normalised(name: str, value: str) -> str:
    """Returns a value that passed `check` in its normal form: "TRUE " becomes "true"."""
    return write(read(TOPIC_CONFIGS[name].type, value))

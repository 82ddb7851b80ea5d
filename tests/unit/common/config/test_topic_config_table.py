import pytest

from common.config.topic_config_table import TOPIC_CONFIGS, BrokerSynonym
from common.config.values import read, write

#: Configs of LogConfig of Apache Kafka 4, without internal ones.
KAFKA_4 = [
    "cleanup.policy",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "remote.copy.lag.bytes",
    "remote.copy.lag.ms",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
]


def test_table_has_every_topic_config_of_kafka_4_in_order():
    assert list(TOPIC_CONFIGS) == KAFKA_4


@pytest.mark.parametrize("config", TOPIC_CONFIGS.values(), ids=lambda config: config.name)
def test_a_default_is_valid_and_in_its_normal_form(config):
    assert config.problem(config.default) is None
    assert write(read(config.type, config.default)) == config.default


@pytest.mark.parametrize("config", TOPIC_CONFIGS.values(), ids=lambda config: config.name)
def test_a_config_is_documented_in_sentences(config):
    assert config.doc[0].isupper()
    assert config.doc.endswith(".")


def test_no_broker_config_is_a_synonym_of_two_topic_configs():
    names = [synonym.name for config in TOPIC_CONFIGS.values() for synonym in config.synonyms]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "synonyms"),
    [
        ("retention.ms", ["log.retention.ms", "log.retention.minutes", "log.retention.hours"]),
        ("segment.ms", ["log.roll.ms", "log.roll.hours"]),
        ("max.message.bytes", ["message.max.bytes"]),
        ("min.cleanable.dirty.ratio", ["log.cleaner.min.cleanable.ratio"]),
        ("delete.retention.ms", ["log.cleaner.delete.retention.ms"]),
        ("compression.type", ["compression.type"]),
        ("remote.storage.enable", []),
    ],
)
def test_synonyms_have_the_names_of_kafka(name, synonyms):
    assert [synonym.name for synonym in TOPIC_CONFIGS[name].synonyms] == synonyms


def test_a_synonym_in_hours_is_converted_and_unlimited_stays_unlimited():
    hours = BrokerSynonym("log.retention.hours", 3_600_000)
    assert hours.convert("2") == "7200000"
    assert hours.convert("-1") == "-1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cleanup.policy", "compact,delete"),
        ("cleanup.policy", ""),
        ("compression.type", "zstd"),
        ("compression.gzip.level", "-1"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-5"),
        ("min.cleanable.dirty.ratio", "0"),
        ("leader.replication.throttled.replicas", "*"),
        ("leader.replication.throttled.replicas", "0:1, 1:2"),
        ("segment.bytes", "1048576"),
    ],
)
def test_values_that_kafka_accepts_are_accepted(name, value):
    assert TOPIC_CONFIGS[name].problem(value) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cleanup.policy", "remove"),
        ("compression.type", "lzma"),
        ("compression.gzip.level", "0"),
        ("compression.gzip.level", "10"),
        ("retention.ms", "-2"),
        ("retention.ms", "soon"),
        ("max.message.bytes", "-1"),
        ("message.timestamp.type", "createtime"),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("min.insync.replicas", "0"),
        ("preallocate", "1"),
        ("leader.replication.throttled.replicas", "0-1"),
        ("segment.bytes", "1048575"),
    ],
)
def test_values_that_kafka_refuses_are_refused_with_name_and_value(name, value):
    problem = TOPIC_CONFIGS[name].problem(value)
    assert problem.startswith(f"Invalid value {value} for configuration {name}: must be ")

import pytest

from common.config.topic_config_table import TOPIC_CONFIGS
from partition_svc.log.log_config import FOREVER, LogConfig


def test_log_config_has_the_defaults_of_the_table():
    assert LogConfig.of({}, {}) == LogConfig()
    assert LogConfig().message_bytes_max == int(TOPIC_CONFIGS["max.message.bytes"].default)


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("max.message.bytes", "5", "message_bytes_max", 5),
        ("message.timestamp.type", "LogAppendTime", "is_log_append_time", True),
        ("message.timestamp.before.max.ms", "6", "timestamp_before_max_ms", 6),
        ("message.timestamp.after.max.ms", "7", "timestamp_after_max_ms", 7),
        ("cleanup.policy", "compact", "is_compacted", True),
        ("cleanup.policy", "compact,delete", "is_compacted", True),
        ("cleanup.policy", "delete", "is_compacted", False),
        ("delete.retention.ms", "8", "delete_retention_ms", 8),
        ("min.compaction.lag.ms", "9", "compaction_lag_min_ms", 9),
        ("max.compaction.lag.ms", "10", "compaction_lag_max_ms", 10),
        ("min.cleanable.dirty.ratio", "0.25", "dirty_ratio_min", 0.25),
        ("compression.type", "producer", "codec", None),
        ("compression.type", "uncompressed", "codec", 0),
        ("compression.type", "zstd", "codec", 4),
    ],
)
def test_a_topic_config_reaches_the_log(name, value, field, expected):
    assert getattr(LogConfig.of({name: value}, {}), field) == expected


@pytest.mark.parametrize(
    ("configs", "segment_bytes", "segment_ms"),
    [
        ({}, 16 << 20, 604_800_000),
        ({"segment.bytes": "1048576", "segment.ms": "100"}, 1 << 20, 100),
        ({"max.compaction.lag.ms": "5000"}, 16 << 20, 5000),
    ],
)
def test_segments_of_compacted_logs_end_early(configs, segment_bytes, segment_ms):
    config = LogConfig.of({"cleanup.policy": "compact", **configs}, {})
    assert (config.segment_bytes, config.segment_ms) == (segment_bytes, segment_ms)
    assert (
        LogConfig.of(configs, {}).segment_bytes == LogConfig.of(configs, {}).segment_ms == FOREVER
    )


def test_broker_configs_apply_unless_the_topic_overrides_them():
    brokers = {"message.max.bytes": "100"}
    assert LogConfig.of({}, brokers).message_bytes_max == 100
    assert LogConfig.of({"max.message.bytes": "5"}, brokers).message_bytes_max == 5


@pytest.mark.parametrize(
    ("config", "is_plain"),
    [
        (LogConfig(), True),
        (LogConfig(is_internal=True), False),
        (LogConfig(message_bytes_max=1, timestamp_after_max_ms=1), True),
        (LogConfig(is_log_append_time=True), False),
        (LogConfig(is_compacted=True), False),
        (LogConfig(codec=0), False),
        (LogConfig(timestamp_before_max_ms=1), False),
        (LogConfig.of({}, {}, validates_records=True), False),
    ],
)
def test_config_is_plain_unless_the_topic_needs_the_slow_path(config, is_plain):
    assert config.is_plain is is_plain

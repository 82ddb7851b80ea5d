import pytest

from common.config.settings import InvalidSetting, build, declared
from common.config.topic_config_table import TOPIC_CONFIGS
from metadata_svc.config import MetadataSettings, TopicDefaults, broker_configs, ring_policy
from metadata_svc.moves.scheduler import RingPolicy


def configs(**options):
    raw = {name.replace("_", "."): value for name, value in options.items()}
    return broker_configs(build(MetadataSettings, raw), build(TopicDefaults, raw))


def test_every_broker_config_of_the_table_is_a_setting():
    settings = declared(TopicDefaults)
    synonyms = {synonym.name for config in TOPIC_CONFIGS.values() for synonym in config.synonyms}
    assert {setting.name for setting in settings} == synonyms
    assert all(setting.doc for setting in settings)


def test_broker_configs_have_only_the_topic_defaults_that_were_set():
    assert configs() == {"num.partitions": "1", "default.replication.factor": "1"}
    assert configs(num_partitions="3", log_retention_hours="2", log_preallocate="TRUE") == {
        "num.partitions": "3",
        "default.replication.factor": "1",
        "log.retention.hours": "2",
        "log.preallocate": "true",
    }


def test_a_list_has_kafkas_format():
    assert configs(log_cleanup_policy="compact, delete")["log.cleanup.policy"] == "compact,delete"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log.retention.ms", "-2"),
        ("log.retention.ms", "soon"),
        ("log.cleanup.policy", "remove"),
        ("compression.type", "lzma"),
        ("log.cleaner.min.cleanable.ratio", "2"),
        ("message.max.bytes", "-1"),
    ],
)
def test_a_default_that_no_topic_could_have_is_refused_with_its_name(name, value):
    with pytest.raises(InvalidSetting, match=name):
        build(TopicDefaults, {name: value})


def test_contradicting_defaults_are_refused():
    contradicting = {
        "log.cleaner.min.compaction.lag.ms": "9",
        "log.cleaner.max.compaction.lag.ms": "5",
    }
    with pytest.raises(InvalidSetting, match=r"min\.compaction\.lag\.ms"):
        build(TopicDefaults, contradicting)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num.partitions", "0"),
        ("num.partitions", "10001"),
        ("default.replication.factor", "0"),
        ("broker.session.timeout.ms", "1"),
        ("ring.join", "sometimes"),
        ("ring.moves.max", "0"),
        ("ring.moves.per.member.max", "0"),
        ("ring.move.fence.timeout.ms", "0"),
    ],
)
def test_settings_out_of_range_are_refused_with_their_name(name, value):
    with pytest.raises(InvalidSetting, match=name):
        build(MetadataSettings, {name: value})


def test_ring_policy_is_taken_from_the_settings_and_has_the_defaults_of_its_class():
    assert ring_policy(build(MetadataSettings, {})) == RingPolicy()
    raw = {
        "ring.join": "manual",
        "ring.moves.max": "7",
        "ring.moves.per.member.max": "3",
        "ring.move.fence.timeout.ms": "900",
    }
    assert ring_policy(build(MetadataSettings, raw)) == RingPolicy(
        joins=False, moves_max=7, moves_per_member_max=3, fence_timeout_ms=900
    )

import pytest

from common.config.settings import InvalidSetting, build, declared
from partition_svc.config import PartitionSettings


def test_the_defaults_are_within_their_own_ranges():
    defaults = PartitionSettings()
    for setting in declared(PartitionSettings):
        assert setting.parse(getattr(defaults, setting.field)) == setting.default


def test_settings_have_unique_names_and_texts():
    names = [setting.name for setting in declared(PartitionSettings)]
    assert len(names) == len(set(names))
    assert all(setting.doc.endswith(".") for setting in declared(PartitionSettings))


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("log.acks.all.durability", "memory"),
        ("log.flush.bytes", "1"),
        ("log.flush.bytes", str(1 << 30)),
        ("log.tail.cache.bytes", "-1"),
        ("producer.id.expiration.ms", "0"),
    ],
)
def test_wrong_values_are_refused_by_name(name, raw):
    with pytest.raises(InvalidSetting, match=name):
        build(PartitionSettings, {name: raw})


@pytest.mark.parametrize(
    ("policy", "may"),
    [
        ("bidirectional", (True, True)),
        ("upgrade", (True, False)),
        ("downgrade", (False, True)),
        ("disabled", (False, False)),
    ],
)
def test_the_migration_policy_reaches_the_group_settings(policy, may):
    settings = build(PartitionSettings, {"group.consumer.migration.policy": policy})
    assert (settings.groups.may_upgrade, settings.groups.may_downgrade) == may

import pytest

from common.config.topic_configs import (
    check,
    check_together,
    effective,
    effective_int,
    effective_value,
    normalised,
)


def test_the_topics_own_value_comes_first():
    brokers = {"log.retention.ms": "2"}
    assert effective("retention.ms", {"retention.ms": "1"}, brokers) == "1"


def test_the_first_synonym_that_is_set_counts():
    brokers = {"log.retention.hours": "1", "log.retention.minutes": "1"}
    assert effective("retention.ms", {}, brokers) == "60000"
    assert effective("retention.ms", {}, {**brokers, "log.retention.ms": "5"}) == "5"


def test_the_default_is_used_if_no_value_is_set():
    assert effective("retention.ms", {}, {}) == "604800000"
    assert effective("max.message.bytes", {}, {"log.retention.ms": "2"}) == "1048588"


def test_values_are_parsed_by_type():
    assert effective_int("max.message.bytes", {}, {"message.max.bytes": "5"}) == 5
    assert effective_value("preallocate", {}, {}) is False
    assert effective_value("cleanup.policy", {"cleanup.policy": "compact,delete"}, {}) == (
        "compact",
        "delete",
    )


def test_a_config_that_does_not_exist_has_no_value():
    with pytest.raises(KeyError):
        effective("no.such.config", {}, {})


def test_an_unknown_name_a_missing_value_and_an_invalid_one_have_different_errors():
    assert check("no.such.config", "1") == "Unknown topic config name: no.such.config"
    assert check("retention.ms", None) == "Null value not supported for topic configs: retention.ms"
    assert "Invalid value x" in check("retention.ms", "x")
    assert check("retention.ms", "1") is None


def test_an_error_does_not_repeat_a_long_value():
    assert len(check("x" * 10**6, "1")) < 300
    assert len(check("retention.ms", "x" * 10**6)) < 300


def test_a_compaction_lag_cannot_be_at_least_longer_than_at_most():
    low, high = "min.compaction.lag.ms", "max.compaction.lag.ms"
    assert check_together({low: "5", high: "5"}, {}) is None
    assert low in check_together({low: "6", high: "5"}, {})
    assert low in check_together({low: "6"}, {"log.cleaner.max.compaction.lag.ms": "5"})


def test_tiered_storage_cannot_be_enabled():
    assert check_together({"remote.storage.enable": "false"}, {}) is None
    assert "tiered storage" in check_together({"remote.storage.enable": "true"}, {})


@pytest.mark.parametrize(
    ("name", "value", "normal_form"),
    [
        ("preallocate", " TRUE ", "true"),
        ("retention.ms", "+05", "5"),
        ("cleanup.policy", "compact, delete", "compact,delete"),
        ("compression.type", " gzip", "gzip"),
    ],
)
def test_values_have_one_normal_form(name, value, normal_form):
    assert check(name, value) is None
    assert normalised(name, value) == normal_form

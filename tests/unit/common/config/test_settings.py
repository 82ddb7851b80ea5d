"""Declarations of settings: accepted values, and the texts that describe them."""

import pytest

from common.config.settings import (
    InvalidSetting,
    as_text,
    build,
    declared,
    setting,
    settings,
    value_of,
)


def _no_spaces(text):
    return "spaces are not allowed" if " " in text else None


@settings
class Example:
    """An example."""

    partition_count: int = setting("num.partitions", default=1, low=1, high=1000, doc="Partitions.")
    retention_ms: int = setting("log.retention.ms", default=-1, low=-1, unit="ms", doc="Age.")
    ratio: float = setting("min.ratio", default=0.5, low=0.0, high=1.0, doc="A share.")
    is_open: bool = setting("auto.create", default=True, doc="A switch.")
    kind: str = setting("kind", default="a", choices=("a", "b"), doc="A choice.")
    name: str = setting("name", default="x", check=_no_spaces, doc="A text.")
    rack: str | None = setting("broker.rack", default=None, doc="Rack of the broker.")
    hosts: tuple[str, ...] = setting("hosts", default=(), doc="Names.")

    def __post_init__(self):
        if self.kind == "b" and not self.is_open:
            raise ValueError("kind b needs auto.create")


BY_NAME = {entry.name: entry for entry in declared(Example)}


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("num.partitions", "7", 7),
        ("num.partitions", 7, 7),
        ("num.partitions", "1000", 1000),
        ("log.retention.ms", "-1", -1),
        ("min.ratio", "0.25", 0.25),
        ("min.ratio", 1, 1.0),
        ("auto.create", "FALSE", False),
        ("auto.create", True, True),
        ("kind", "b", "b"),
        ("broker.rack", "r1", "r1"),
        ("hosts", "a, b,", ("a", "b")),
        ("hosts", ["a", "b"], ("a", "b")),
    ],
)
def test_a_value_is_read_from_text_and_from_toml(name, raw, value):
    assert BY_NAME[name].parse(raw) == value


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        ("num.partitions", "0", "num.partitions must be an integer from 1 to 1000, not '0'"),
        ("num.partitions", 1001, "from 1 to 1000, not 1001"),
        ("num.partitions", "many", "an integer"),
        ("num.partitions", True, "an integer"),
        ("num.partitions", 1.5, "an integer"),
        ("log.retention.ms", "-2", "log.retention.ms must be an integer of at least -1 ms"),
        ("min.ratio", "1.1", "a number from 0.0 to 1.0"),
        ("min.ratio", "nan", "a number"),
        ("auto.create", "yes", "true or false"),
        ("auto.create", 1, "true or false"),
        ("kind", "c", "one of a, b"),
        ("name", "a b", "name: spaces are not allowed"),
        ("name", 1, "text"),
        ("hosts", 5, "a comma-separated list"),
        ("hosts", [1], "a comma-separated list"),
    ],
)
def test_an_invalid_value_is_refused_with_the_name_and_the_accepted_values(name, raw, text):
    with pytest.raises(InvalidSetting) as error:
        BY_NAME[name].parse(raw)
    assert text in str(error.value)
    assert name in str(error.value)


def test_build_uses_defaults_for_settings_that_are_not_given():
    example = build(Example, {"num.partitions": "3", "another.setting": "1"})
    assert example == Example(partition_count=3)
    assert example.retention_ms == -1


def test_build_refuses_values_that_are_invalid_together():
    with pytest.raises(InvalidSetting, match=r"kind b needs auto\.create"):
        build(Example, {"kind": "b", "auto.create": "false"})


def test_an_instance_cannot_be_changed():
    with pytest.raises(AttributeError):
        Example().name = "y"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (12, "12"), (("a", "b"), "a,b"), (None, ""), ("x", "x")],
)
def test_values_are_written_as_kafka_writes_them(value, text):
    assert as_text(value) == text


def test_a_setting_knows_its_variable_and_its_value():
    retention = BY_NAME["log.retention.ms"]
    assert retention.environment_name == "RINGLOG_LOG_RETENTION_MS"
    assert value_of(Example(retention_ms=5), retention) == 5


def test_a_field_of_an_unknown_type_is_a_programming_error():
    @settings
    class Wrong:
        """Wrong."""

        mixed: int | str = setting("mixed", default=1, doc="Two kinds.")

    with pytest.raises(TypeError, match="cannot be of type"):
        declared(Wrong)

import pytest

from common.config.values import (
    ConfigType,
    InvalidValue,
    at_least,
    between,
    each_of,
    either,
    one_of,
    read,
    shortened,
    write,
)


@pytest.mark.parametrize(
    ("config_type", "text", "value"),
    [
        (ConfigType.BOOLEAN, " TRUE ", True),
        (ConfigType.BOOLEAN, "false", False),
        (ConfigType.INT, "-2147483648", -(2**31)),
        (ConfigType.INT, "+7", 7),
        (ConfigType.SHORT, "32767", 32767),
        (ConfigType.LONG, "9223372036854775807", 2**63 - 1),
        (ConfigType.DOUBLE, "0.5", 0.5),
        (ConfigType.STRING, " gzip ", "gzip"),
        (ConfigType.LIST, "", ()),
        (ConfigType.LIST, "compact , delete", ("compact", "delete")),
    ],
)
def test_a_text_is_parsed_by_type(config_type, text, value):
    read_value = read(config_type, text)
    assert read_value == value
    assert type(read_value) is type(value)


@pytest.mark.parametrize(
    ("config_type", "text"),
    [
        (ConfigType.BOOLEAN, "yes"),
        (ConfigType.BOOLEAN, ""),
        (ConfigType.SHORT, "32768"),
        (ConfigType.INT, "2147483648"),
        (ConfigType.INT, "1_000"),
        (ConfigType.INT, "1.5"),
        (ConfigType.INT, ""),
        (ConfigType.INT, "-+1"),
        (ConfigType.LONG, "9223372036854775808"),
        (ConfigType.LONG, "9" * 1_000_000),
        (ConfigType.LONG, "\u0661"),
        (ConfigType.DOUBLE, "half"),
    ],
)
def test_a_text_of_another_type_is_refused(config_type, text):
    with pytest.raises(InvalidValue, match="must be"):
        read(config_type, text)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (7, "7"), (("a", "b"), "a,b"), ((), "")]
)
def test_a_value_is_written_as_kafka_writes_it(value, text):
    assert write(value) == text


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        pytest.param(at_least(-1), [-1, 0], [-2], id="at least"),
        pytest.param(between(0, 1), [0, 0.5, 1], [-0.1, 1.1, float("nan")], id="between"),
        pytest.param(either(-1, between(1, 9)), [-1, 1, 9], [-2, 0, 10], id="either"),
        pytest.param(one_of("a", "b"), ["a", "b"], ["", "c", "A"], id="one of"),
        pytest.param(
            each_of("a", "b"), [(), ("a",), ("b", "a")], [("c",), ("a", "a"), ("",)], id="each of"
        ),
    ],
)
def test_a_check_accepts_valid_values_and_returns_the_problem_of_others(check, good, bad):
    assert [check(value) for value in good] == [None] * len(good)
    assert all("must" in check(value) for value in bad)


def test_a_long_text_is_cut_for_messages():
    assert shortened("abc") == "abc"
    assert len(shortened("x" * 10**6)) < 200

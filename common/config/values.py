"""Kafka's types of configuration values: how a text is read, what it may hold, how it is written.

Knows no configuration by name; `topic_configs.py` is the table that uses it. The types and their
reading follow org.apache.kafka.common.config.ConfigDef, their numbers are DescribeConfigs's.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Final

#: A value as read: by type an int, a float, a truth value, a text or a list of texts.
Value = int | float | bool | str | tuple[str, ...]

#: Says what is wrong with a value that was read, or None.
Check = Callable[[Value], str | None]

INT_MAX: Final = 2**31 - 1
LONG_MAX: Final = 2**63 - 1

_SHOWN_CHARACTERS_MAX = 100


class ConfigType(IntEnum):
    """ConfigType of DescribeConfigsResponse (KIP-569)."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class InvalidValue(ValueError):
    """A text that is not of the type asked for, with what it should have been."""


def read(config_type: ConfigType, text: str) -> Value:
    """`text` as a value. Blanks around it do not count, "TRUE" is true; lists have commas.

    Raises:
        InvalidValue: `text` is not of that type.
    """
    text = text.strip()
    if config_type is ConfigType.BOOLEAN:
        return _boolean(text)
    if config_type in _INTEGER_LIMITS:
        return _integer(config_type, text)
    if config_type is ConfigType.DOUBLE:
        return _double(text)
    if config_type is ConfigType.LIST:
        return tuple(part.strip() for part in text.split(",")) if text else ()
    return text


def write(value: Value) -> str:
    """`value` in the one form in which it is kept and shown."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def shortened(text: str) -> str:
    """`text` for a message, cut where somebody sent a very long one."""
    if len(text) <= _SHOWN_CHARACTERS_MAX:
        return text
    return text[:_SHOWN_CHARACTERS_MAX] + "…"


def at_least(low: float) -> Check:
    return lambda value: None if _number(value) >= low else f"must be at least {low}"


def between(low: float, high: float) -> Check:
    """From `low` to `high`, both allowed."""
    return lambda value: (
        None if low <= _number(value) <= high else f"must be between {low} and {high}"
    )


def either(exception: float, check: Check) -> Check:
    """`exception` itself, or whatever `check` accepts."""
    return lambda value: None if value == exception else check(value)


def one_of(*choices: str) -> Check:
    return lambda value: None if value in choices else "must be one of " + ", ".join(choices)


def each_of(*choices: str) -> Check:
    """A list without repetition, of nothing but `choices`; it may be empty."""

    def check(value: Value) -> str | None:
        assert isinstance(value, tuple)
        if not set(value) <= set(choices):
            return "must be a list of " + ", ".join(choices)
        return None if len(set(value)) == len(value) else "must name nothing twice"

    return check


_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_INTEGER_LIMITS = {ConfigType.SHORT: 2**15, ConfigType.INT: 2**31, ConfigType.LONG: 2**63}


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise InvalidValue("must be true or false") from None


def _integer(config_type: ConfigType, text: str) -> int:
    # Not int() alone: it takes "1_000", and refuses digits without end in words of its own.
    value = int(text) if _INTEGER.fullmatch(text) else None
    limit = _INTEGER_LIMITS[config_type]
    if value is None or not -limit <= value < limit:
        raise InvalidValue(f"must be a number of type {config_type.name}")
    return value


def _double(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidValue("must be a number of type DOUBLE") from None


def _number(value: Value) -> float:
    assert isinstance(value, int | float)
    return value

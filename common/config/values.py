"""Kafka's types of configuration values: parsing, validation and formatting.

Knows no configuration by name; `topic_config_table.py` uses it. The types and their parsing follow
org.apache.kafka.common.config.ConfigDef, their numbers are those of DescribeConfigs.
"""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Final

#: A parsed value: by type an int, a float, a boolean, a text or a list of texts.
Value = int | float | bool | str | tuple[str, ...]

#: Returns the problem of a parsed value, or None.
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
    """Raised for a text that is not of the expected type; the text says what it must be."""


def read(config_type: ConfigType, text: str) -> Value:
    """Parses `text`. Surrounding blanks are ignored, "TRUE" is true; lists have commas.

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
    """Formats `value` in its normal form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def shortened(text: str) -> str:
    """Returns `text` for a message, cut to 100 characters."""
    if len(text) <= _SHOWN_CHARACTERS_MAX:
        return text
    return text[:_SHOWN_CHARACTERS_MAX] + "…"


def at_least(low: float) -> Check:
    return lambda value: None if _number(value) >= low else f"must be at least {low}"


def between(low: float, high: float) -> Check:
    """Accepts values from `low` to `high`, both included."""
    return lambda value: (
        None if low <= _number(value) <= high else f"must be between {low} and {high}"
    )


def either(exception: float, check: Check) -> Check:
    """Accepts `exception`, and all values that `check` accepts."""
    return lambda value: None if value == exception else check(value)


def one_of(*choices: str) -> Check:
    return lambda value: None if value in choices else "must be one of " + ", ".join(choices)


def each_of(*choices: str) -> Check:
    """Accepts lists of `choices` without duplicates; they may be empty."""

    def check(value: Value) -> str | None:
        assert isinstance(value, tuple)
        if not set(value) <= set(choices):
            return "must be a list of " + ", ".join(choices)
        return None if len(set(value)) == len(value) else "must not contain duplicates"

    return check


_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_INTEGER_LIMITS = {ConfigType.SHORT: 2**15, ConfigType.INT: 2**31, ConfigType.LONG: 2**63}


def _boolean(text: str) -> bool:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise InvalidValue("must be true or false") from None


def _integer(config_type: ConfigType, text: str) -> int:
    # Not int() alone: it accepts "1_000", and has its own error for very many digits.
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

"""How a service declares its settings, and how a value is checked.

A settings class is a frozen dataclass whose fields carry Kafka's name, the unit, the range and a
sentence of documentation. Where values come from (file, environment, flags) is `command_line`'s
business; nothing here reads anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, TypeVar, dataclass_transform, get_args, get_type_hints

T = TypeVar("T")

#: What a setting may be: an integer, a number, a truth value, text, a list of texts, or not set.
Value = int | float | bool | str | tuple[str, ...] | None

_KINDS = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "text",
    tuple: "a comma-separated list",
}


class InvalidSetting(ValueError):
    """A value that a setting does not take. The text names the setting and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as declared. `kind` is int, float, bool, str, or tuple for a list of texts."""

    name: str
    field: str
    kind: type
    default: Value
    doc: str
    low: float | None
    high: float | None
    choices: Sequence[str] | None
    unit: str | None
    flag: str | None
    check: Callable[[Any], str | None] | None

    @property
    def environment_name(self) -> str:
        """For instance RINGLOG_MESSAGE_MAX_BYTES for message.max.bytes."""
        return "RINGLOG_" + self.name.upper().replace(".", "_").replace("-", "_")

    @property
    def allowed(self) -> str:
        """What the setting takes, in words: "an integer from 1 to 1000 ms"."""
        if self.choices is not None:
            return "one of " + ", ".join(self.choices)
        words = [_KINDS[self.kind]]
        if self.low is not None and self.high is not None:
            words.append(f"from {self.low} to {self.high}")
        elif self.low is not None:
            words.append(f"of at least {self.low}")
        elif self.high is not None:
            words.append(f"of at most {self.high}")
        return " ".join([*words, self.unit] if self.unit else words)

    def parse(self, raw: object) -> Value:
        """`raw` (text, or a value as TOML knows it) as a value of this setting.

        Raises:
            InvalidSetting: not of this kind, out of range, not a choice, or refused by `check`.
        """
        try:
            value: Value = _READ[self.kind](raw)
        except (ValueError, TypeError, LookupError):
            raise InvalidSetting(f"{self.name} must be {self.allowed}, not {raw!r}") from None
        if not self._holds(value):
            raise InvalidSetting(f"{self.name} must be {self.allowed}, not {raw!r}")
        if self.check is not None and (problem := self.check(value)) is not None:
            raise InvalidSetting(f"{self.name}: {problem}")
        return value

    def _holds(self, value: Any) -> bool:
        if self.choices is not None:
            chosen = value if isinstance(value, tuple) else (value,)
            return all(one in self.choices for one in chosen)
        above = self.low is None or value >= self.low
        return above and (self.high is None or value <= self.high)


def setting(  # noqa: PLR0913 - one keyword for each thing that can be said of a setting
    name: str,
    *,
    default: T,
    doc: str,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] | None = None,
    unit: str | None = None,
    flag: str | None = None,
    check: Callable[[Any], str | None] | None = None,
) -> T:
    """Declares a field of a settings class.

    Args:
        name: Kafka's name where Apache Kafka has the setting, else one in the same manner.
        default: the value where nothing is said; it keeps to the range too.
        doc: one sentence for `--help` and the documentation.
        low: smallest value, itself allowed.
        high: largest value, itself allowed.
        choices: the allowed texts.
        unit: "ms", "bytes", … as Kafka has it; values never carry a suffix.
        flag: a long flag of its own ("--listen"), for the few that people type.
        check: says what is wrong with a value, or None.
    """
    about = {
        "name": name,
        "default": default,
        "doc": doc,
        "low": low,
        "high": high,
        "choices": choices,
        "unit": unit,
        "flag": flag,
        "check": check,
    }
    declared: T = field(default=default, metadata=about)
    return declared


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(setting,))
def settings(cls: type[T]) -> type[T]:
    """Makes a class of `setting` fields a frozen dataclass. Its docstring heads the help."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def declared(cls: type[Any]) -> tuple[Setting, ...]:
    """The settings of a settings class, in the order of their declaration."""
    hints = get_type_hints(cls)
    return tuple(
        Setting(field=one.name, kind=_kind(hints[one.name]), **one.metadata) for one in fields(cls)
    )


def build(cls: type[T], raw: Mapping[str, object]) -> T:
    """An instance from raw values by setting name. Names that `cls` does not know are ignored.

    Raises:
        InvalidSetting: from the first wrong value, or from a `ValueError` of `__post_init__`.
    """
    known = (one for one in declared(cls) if one.name in raw)
    values = {one.field: one.parse(raw[one.name]) for one in known}
    try:
        return cls(**values)
    except InvalidSetting:
        raise
    except ValueError as error:
        raise InvalidSetting(str(error)) from error


def value_of(instance: object, one: Setting) -> Value:
    """What `instance` holds for a setting of its class."""
    value: Value = getattr(instance, one.field)
    return value


def as_text(value: Value) -> str:
    """A value as Kafka writes it in DescribeConfigs; "" where nothing is set."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _kind(hint: Any) -> type:
    """The kind behind an annotation: `int`, `int | None`, `tuple[str, ...]`."""
    if hint in _READ:
        return hint  # type: ignore[no-any-return]
    if getattr(hint, "__origin__", None) is tuple:
        return tuple
    kinds = [one for one in get_args(hint) if one is not NoneType]
    if len(kinds) != 1:
        raise TypeError(f"a setting cannot be of type {hint}")
    return _kind(kinds[0])


def _integer(raw: object) -> int:
    if isinstance(raw, bool | float):
        raise TypeError
    return int(raw)  # type: ignore[call-overload, no-any-return]


def _number(raw: object) -> float:
    if isinstance(raw, bool):
        raise TypeError
    return float(raw)  # type: ignore[arg-type]


def _truth(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    return {"true": True, "false": False}[str(raw).strip().lower()]


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise TypeError
    return raw


def _texts(raw: object) -> tuple[str, ...]:
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, list | tuple):
        raise TypeError
    return tuple(text for part in parts if (text := _text(part).strip()))


_READ: dict[type, Callable[[object], Any]] = {
    int: _integer,
    float: _number,
    bool: _truth,
    str: _text,
    tuple: _texts,
}

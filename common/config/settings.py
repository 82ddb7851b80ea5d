"""Declaration of a service's settings, and validation of their values.

A settings class is a frozen dataclass whose fields have Kafka's name, the unit, the range and a
sentence of documentation. `sources.py` reads values from files, the environment and flags; nothing
here does I/O.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, TypeVar, dataclass_transform, get_args, get_type_hints

T = TypeVar("T")

#: The value of a setting: an integer, a number, a boolean, text, a list of texts, or not set.
Value = int | float | bool | str | tuple[str, ...] | None

_KINDS = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "text",
    tuple: "a comma-separated list",
}


class InvalidSetting(ValueError):
    """Raised for a value that a setting does not accept; the text names the accepted ones."""


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
        """The accepted values in words, for instance "an integer from 1 to 1000 ms"."""
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
        """Converts `raw`, which is text or a value of TOML, to a value of this setting.

        Raises:
            InvalidSetting: not of this kind, out of range, not a choice, or refused by `check`.
        """
        try:
            value: Value = _PARSERS[self.kind](raw)
        except (ValueError, TypeError, LookupError):
            raise InvalidSetting(f"{self.name} must be {self.allowed}, not {raw!r}") from None
        if not self._is_in_range(value):
            raise InvalidSetting(f"{self.name} must be {self.allowed}, not {raw!r}")
        if self.check is not None and (problem := self.check(value)) is not None:
            raise InvalidSetting(f"{self.name}: {problem}")
        return value

    def _is_in_range(self, value: Any) -> bool:
        if self.choices is not None:
            chosen = value if isinstance(value, tuple) else (value,)
            return all(choice in self.choices for choice in chosen)
        above = self.low is None or value >= self.low
        return above and (self.high is None or value <= self.high)


def setting(  # noqa: PLR0913 - a keyword for each property of a setting
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
        name: Kafka's name if Apache Kafka has the setting, else one in the same style.
        default: the value if none is given; it must be in the range too.
        doc: one sentence for `--help` and the documentation.
        low: the smallest allowed value.
        high: the largest allowed value.
        choices: the allowed texts.
        unit: "ms", "bytes", … as in Kafka; values never have a suffix.
        flag: a long flag ("--listen") for the few settings that people type.
        check: returns the problem of a value, or None.
    """
    metadata = {
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
    declaration: T = field(default=default, metadata=metadata)
    return declaration


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(setting,))
def settings(cls: type[T]) -> type[T]:
    """Makes a class of `setting` fields a frozen dataclass; its docstring heads the help."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def declared(cls: type[Any]) -> tuple[Setting, ...]:
    """Returns the settings of a settings class, in the order of their declaration."""
    hints = get_type_hints(cls)
    return tuple(
        Setting(field=field_.name, kind=_kind(hints[field_.name]), **field_.metadata)
        for field_ in fields(cls)
    )


def build(cls: type[T], raw: Mapping[str, object]) -> T:
    """Builds an instance from raw values by setting name; ignores names of other classes.

    Raises:
        InvalidSetting: for the first invalid value, or from a `ValueError` of `__post_init__`.
    """
    values = {
        setting_.field: setting_.parse(raw[setting_.name])
        for setting_ in declared(cls)
        if setting_.name in raw
    }
    try:
        return cls(**values)
    except InvalidSetting:
        raise
    except ValueError as error:
        raise InvalidSetting(str(error)) from error


def value_of(instance: object, of: Setting) -> Value:
    """Returns the value of a setting in an instance of its class."""
    value: Value = getattr(instance, of.field)
    return value


def as_text(value: Value) -> str:
    """Returns a value as Kafka writes it in DescribeConfigs; "" if it is not set."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _kind(hint: Any) -> type:
    """Returns the kind of an annotation: `int`, `int | None`, `tuple[str, ...]`."""
    if hint in _PARSERS:
        return hint  # type: ignore[no-any-return]
    if getattr(hint, "__origin__", None) is tuple:
        return tuple
    kinds = [argument for argument in get_args(hint) if argument is not NoneType]
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


def _boolean(raw: object) -> bool:
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


_PARSERS: dict[type, Callable[[object], Any]] = {
    int: _integer,
    float: _number,
    bool: _boolean,
    str: _text,
    tuple: _texts,
}

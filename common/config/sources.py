"""Sources of settings: defaults, a TOML file, the environment, and flags; the last one wins.

Every name is checked against the declarations before anything starts, and all problems are reported
together. Knows no service: the settings classes are parameters.
"""

import argparse
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from common.config.settings import InvalidSetting, Setting, as_text, build, declared

T = TypeVar("T")

ENVIRONMENT_PREFIX = "RINGLOG_"
_CONFIG_VARIABLE = "RINGLOG_CONFIG"
#: Variables that Kubernetes sets for a Service named "ringlog…".
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)|_PORT$|_PORT_\d+_(TCP|UDP|SCTP)")


class InvalidSettings(Exception):
    """Raised when settings are unknown or invalid; the text has a line for each."""


class _RawValue(NamedTuple):
    """A raw value and its source, for instance a file."""

    name: str
    raw: object
    source: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """All given values, by setting name; at least one settings class declares each."""

    given: Mapping[str, object]

    def of(self, cls: type[T], overrides: Mapping[str, object] | None = None) -> T:
        """Returns the settings of one class. `overrides`, by setting name, win over all sources.

        Raises:
            InvalidSetting: a value is not accepted.
        """
        return build(cls, {**self.given, **(overrides or {})})


def read_settings(  # noqa: PLR0913 - the help's words, and the sources
    program: str,
    description: str,
    classes: Sequence[type[Any]],
    *,
    fixed: Collection[str] = (),
    arguments: Sequence[str],
    environment: Mapping[str, str],
) -> Configuration:
    """Reads the settings of `classes` for a process, or ends it with a usage message.

    The exit status is 0 after `--help`; it is 2, with all problems on stderr, if any value is
    invalid.

    Args:
        program: the command as the user typed it.
        description: a sentence about it.
        classes: settings classes; a name that several declare has one value for all of them.
        fixed: names that the process sets by itself, and that users may not set.
        arguments: the command line after the program's name.
        environment: `os.environ`, or its like.
    """
    known = {
        setting.name: setting for setting in known_settings(classes) if setting.name not in fixed
    }
    parser = _parser(program, description, known)
    parser.epilog = describe(classes, fixed=fixed)
    options = parser.parse_args(arguments)
    try:
        given = _collect(known, options=options, environment=environment)
        configuration = Configuration({value.name: value.raw for value in given})
        _check_together(configuration, classes)
    except InvalidSettings as error:
        parser.exit(2, f"{program}: {error}\n")
    return configuration


def _collect(
    known: Mapping[str, Setting], *, options: argparse.Namespace, environment: Mapping[str, str]
) -> list[_RawValue]:
    """Returns all given values, those of the strongest source last.

    Raises:
        InvalidSettings: unknown names, invalid values, an unreadable file.
    """
    by_variable = {setting.environment_name: setting.name for setting in known.values()}
    file = options.config or environment.get(_CONFIG_VARIABLE)
    given = [
        *(_from_file(Path(file)) if file else ()),
        *_from_environment(environment, by_variable),
        *_from_flags(options),
    ]
    problems = [problem for value in given if (problem := _problem(value, known)) is not None]
    if problems:
        raise InvalidSettings("\n".join(problems))
    return given


def known_settings(classes: Sequence[type[Any]]) -> list[Setting]:
    """Returns all settings once; the first class that declares a shared one defines it."""
    known: dict[str, Setting] = {}
    for cls in classes:
        for setting in declared(cls):
            known.setdefault(setting.name, setting)
    return list(known.values())


def _problem(value: _RawValue, known: Mapping[str, Setting]) -> str | None:
    if value.name not in known:
        return f"unknown setting {value.name} ({value.source}){_suggestion(value.name, known)}"
    try:
        known[value.name].parse(value.raw)
    except InvalidSetting as error:
        return f"{error} ({value.source})"
    return None


def _check_together(configuration: Configuration, classes: Sequence[type[Any]]) -> None:
    """Checks combinations of values, each of which is valid alone."""
    try:
        for cls in classes:
            configuration.of(cls)
    except InvalidSetting as error:
        raise InvalidSettings(str(error)) from error


def _suggestion(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only needed after an error

    matches = get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


def _from_file(path: Path) -> list[_RawValue]:
    import tomllib  # most processes have no file

    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"cannot read {path}: {error}") from error
    return [_RawValue(name, raw, str(path)) for name, raw in _flatten(tables)]


def _flatten(table: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    """Flattens tables: `[log.retention]` / `ms = 1` is the setting `log.retention.ms`."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _from_environment(
    environment: Mapping[str, str], by_variable: Mapping[str, str]
) -> Iterable[_RawValue]:
    for variable, text in environment.items():
        if variable in by_variable:
            yield _RawValue(by_variable[variable], text, f"${variable}")
        elif _is_ours(variable):
            guess = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", ".")
            yield _RawValue(guess, text, f"${variable}")


def _is_ours(variable: str) -> bool:
    has_prefix = variable.startswith(ENVIRONMENT_PREFIX) and variable != _CONFIG_VARIABLE
    return has_prefix and _SERVICE_LINK.search(variable) is None


def _from_flags(options: argparse.Namespace) -> Iterable[_RawValue]:
    for name, text in options.given:
        yield _RawValue(name, text, "command line")


class _Set(argparse.Action):
    """Action of `--set NAME=VALUE` and of the settings' own flags; the last one wins."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        name, text = (self.const, values) if self.const else _name_and_text(parser, values)
        namespace.given = [*namespace.given, (name, text)]


def _name_and_text(parser: argparse.ArgumentParser, word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not equals:
        parser.error(f"--set needs NAME=VALUE, not {word!r}")
    return name.strip(), text.strip()


def _parser(
    program: str, description: str, known: Mapping[str, Setting]
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(given=[])
    parser.add_argument("--config", metavar="FILE", help="settings as TOML")
    parser.add_argument("--set", metavar="NAME=VALUE", action=_Set, help="one setting; repeatable")
    for setting in known.values():
        if setting.flag:
            parser.add_argument(
                setting.flag,
                metavar="VALUE",
                action=_Set,
                const=setting.name,
                help=setting.doc.replace("%", "%%"),
            )
    return parser


def describe(classes: Sequence[type[Any]], *, fixed: Collection[str] = ()) -> str:
    """Describes every setting with its default, unit, range and meaning, as plain text."""
    lines = [
        "Settings: --set NAME=VALUE, the environment (message.max.bytes is",
        "RINGLOG_MESSAGE_MAX_BYTES), or a TOML file (--config). Flags win over the environment,",
        "the environment wins over the file.",
    ]
    described = set(fixed)
    for cls in classes:
        new = [setting for setting in declared(cls) if setting.name not in described]
        described.update(setting.name for setting in new)
        lines += ["", (cls.__doc__ or cls.__name__).splitlines()[0], *map(_paragraph, new)]
    return "\n".join(lines)


def _paragraph(setting: Setting) -> str:
    default = as_text(setting.default) or "not set"
    return f"  {setting.name} = {default}\n      {setting.doc} ({setting.allowed})"

"""Where settings come from: defaults, then a TOML file, the environment, and flags; the last wins.

Every name is checked against the declarations before anything starts, and everything that is
wrong is told at once. Knows no service: the settings classes are handed in.
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
#: What Kubernetes puts into the environment where a Service is called "ringlog…".
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)|_PORT$|_PORT_\d+_(TCP|UDP|SCTP)")


class InvalidSettings(Exception):
    """One or more settings are unknown or wrong; the text has a line for each."""


class _Given(NamedTuple):
    """A raw value, and where it was found."""

    name: str
    raw: object
    source: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """All values that were given, by setting name, known to at least one settings class."""

    given: Mapping[str, object]

    def of(self, cls: type[T], overrides: Mapping[str, object] | None = None) -> T:
        """The settings of one class; `overrides` are values by setting name that win over all.

        Raises:
            InvalidSetting: a value is not allowed.
        """
        return build(cls, {**self.given, **(overrides or {})})


def read_settings(  # noqa: PLR0913 - two say who asks, four say where to look
    program: str,
    description: str,
    classes: Sequence[type[Any]],
    *,
    fixed: Collection[str] = (),
    arguments: Sequence[str],
    environment: Mapping[str, str],
) -> Configuration:
    """Reads the settings of `classes` for a process, or ends it with a usage message.

    Ends with status 0 after `--help` and with 2, all problems on stderr, where one is wrong.

    Args:
        program: as the user called it.
        description: what it is, in a sentence.
        classes: settings classes; a name that several declare is given once for all of them.
        fixed: names that the process sets by itself, so that nobody else may.
        arguments: the command line after the program's name.
        environment: as `os.environ`.
    """
    known = {one.name: one for one in known_settings(classes) if one.name not in fixed}
    parser = _parser(program, description, known)
    parser.epilog = describe(classes, fixed=fixed)
    options = parser.parse_args(arguments)
    try:
        given = _collect(known, options=options, environment=environment)
        configuration = Configuration({one.name: one.raw for one in given})
        _check_together(configuration, classes)
    except InvalidSettings as error:
        parser.exit(2, f"{program}: {error}\n")
    return configuration


def _collect(
    known: Mapping[str, Setting], *, options: argparse.Namespace, environment: Mapping[str, str]
) -> list[_Given]:
    """Everything given, the strongest source last.

    Raises:
        InvalidSettings: unknown names, values that are not allowed, an unreadable file.
    """
    by_variable = {one.environment_name: one.name for one in known.values()}
    file = options.config or environment.get(_CONFIG_VARIABLE)
    given = [
        *(_from_file(Path(file)) if file else ()),
        *_from_environment(environment, by_variable),
        *_from_flags(options),
    ]
    problems = [problem for one in given if (problem := _problem(one, known)) is not None]
    if problems:
        raise InvalidSettings("\n".join(problems))
    return given


def known_settings(classes: Sequence[type[Any]]) -> list[Setting]:
    """All settings once; those that two classes share as the first declares them."""
    known: dict[str, Setting] = {}
    for cls in classes:
        for one in declared(cls):
            known.setdefault(one.name, one)
    return list(known.values())


def _problem(one: _Given, known: Mapping[str, Setting]) -> str | None:
    if one.name not in known:
        return f"unknown setting {one.name} ({one.source}){_near(one.name, known)}"
    try:
        known[one.name].parse(one.raw)
    except InvalidSetting as error:
        return f"{error} ({one.source})"
    return None


def _check_together(configuration: Configuration, classes: Sequence[type[Any]]) -> None:
    """Each value is fine alone; now what a class says about them together."""
    try:
        for cls in classes:
            configuration.of(cls)
    except InvalidSetting as error:
        raise InvalidSettings(str(error)) from error


def _near(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only where something is wrong already

    near = get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _from_file(path: Path) -> list[_Given]:
    import tomllib  # most starts have no file

    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"cannot read {path}: {error}") from error
    return [_Given(name, raw, str(path)) for name, raw in _flat(tables)]


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    """`[log.retention]` / `ms = 1` and `"log.retention.ms" = 1` are the same setting."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _from_environment(
    environment: Mapping[str, str], by_variable: Mapping[str, str]
) -> Iterable[_Given]:
    for variable, text in environment.items():
        if variable in by_variable:
            yield _Given(by_variable[variable], text, f"${variable}")
        elif _is_meant_for_us(variable):
            guess = variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", ".")
            yield _Given(guess, text, f"${variable}")


def _is_meant_for_us(variable: str) -> bool:
    ours = variable.startswith(ENVIRONMENT_PREFIX) and variable != _CONFIG_VARIABLE
    return ours and _SERVICE_LINK.search(variable) is None


def _from_flags(options: argparse.Namespace) -> Iterable[_Given]:
    for name, text in options.given:
        yield _Given(name, text, "command line")


class _Set(argparse.Action):
    """`--set NAME=VALUE`, and a flag of its own as the same thing: in the order of typing."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        name, text = (self.const, values) if self.const else _name_and_text(parser, values)
        namespace.given = [*namespace.given, (name, text)]


def _name_and_text(parser: argparse.ArgumentParser, words: str) -> tuple[str, str]:
    name, equals, text = words.partition("=")
    if not equals:
        parser.error(f"--set takes NAME=VALUE, not {words!r}")
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
    for one in known.values():
        if one.flag:
            parser.add_argument(
                one.flag,
                metavar="VALUE",
                action=_Set,
                const=one.name,
                help=one.doc.replace("%", "%%"),
            )
    return parser


def describe(classes: Sequence[type[Any]], *, fixed: Collection[str] = ()) -> str:
    """Every setting with its default, unit, range and meaning, as plain text."""
    lines = [
        "Settings: --set NAME=VALUE, the environment (message.max.bytes is",
        "RINGLOG_MESSAGE_MAX_BYTES), or a TOML file (--config). Flags win over the environment,",
        "the environment wins over the file.",
    ]
    told = set(fixed)
    for cls in classes:
        fresh = [one for one in declared(cls) if one.name not in told]
        told.update(one.name for one in fresh)
        lines += ["", (cls.__doc__ or cls.__name__).splitlines()[0], *map(_paragraph, fresh)]
    return "\n".join(lines)


def _paragraph(one: Setting) -> str:
    default = as_text(one.default) or "not set"
    return f"  {one.name} = {default}\n      {one.doc} ({one.allowed})"

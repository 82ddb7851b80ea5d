"""Builds a Python function from lines of source, names and constants, and compiles it.

Used by the generators of decoders and encoders. It knows Python, not Kafka.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from struct import Struct
from typing import Any


class Source:
    """The text of one function, and the constants it refers to: it sees nothing else of ours."""

    def __init__(self, name: str, parameters: str) -> None:
        self._name = name
        self._parameters = parameters
        self._opening: dict[str, None] = {}
        self._lines: list[str] = []
        self._depth = 1
        self._scope: dict[str, Any] = {}
        self._names = 0

    def opening(self, text: str) -> None:
        """Adds a line to the start of the function, unless it is there already."""
        self._opening[text] = None

    def line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Indents the lines written inside under `header`."""
        self.line(header)
        self._depth += 1
        yield
        self._depth -= 1

    def name(self, meaning: str) -> str:
        """Returns a name that is unique in the function."""
        self._names += 1
        return f"{meaning}_{self._names}"

    def constant(self, name: str, value: Any) -> str:
        """Binds `name` to `value` in the function, and returns it. One name has one value."""
        assert self._scope.setdefault(name, value) is value, f"two constants named {name}"
        return name

    def struct_method(self, codes: str, method: str) -> str:
        """Returns the name of a bound `Struct` method for big-endian `codes`."""
        name = f"{method}_{codes.replace('?', 'bool_')}"
        if name not in self._scope:
            self._scope[name] = getattr(Struct(">" + codes), method)
        return name

    def text(self) -> str:
        opening = [
            f"def {self._name}({self._parameters}):",
            *(f"    {line}" for line in self._opening),
        ]
        return "\n".join([*opening, *self._lines, ""])

    def compile_function(self, title: str) -> Callable[..., Any]:
        """Returns the function. `title` is the file name in tracebacks."""
        # The text comes from our own declarations alone, never from a peer.
        exec(compile(self.text(), f"<{title}>", "exec"), self._scope)  # noqa: S102
        function: Callable[..., Any] = self._scope[self._name]
        return function


@lru_cache(maxsize=256)
def repeated(code: str, count: int) -> Struct:
    """Returns the struct of an array of fixed values."""
    return Struct(f">{count}{code}")

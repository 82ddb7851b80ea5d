"""Sums up the samples of `sampler`: by layer, by function, by everything above.

A line is a stack, outermost frame first, frames parted by ";", and the CPU time spent in it.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

#: Microseconds by stack; each frame is "function (path)".
Stacks = Counter[tuple[str, ...]]

_ROOT = str(Path(__file__).parent.parent.parent)
_FRAME = re.compile(r"(?P<function>.+?) \((?P<path>.+)\)")
_OUTSIDE = "outside ringlog"
#: How the codec names the source that it compiles.
_COMPILED = re.compile(r"<(decode|encode) ")


def read(path: Path) -> Stacks:
    found: Stacks = Counter()
    for line in path.read_text().splitlines():
        frames, _, micros = line.rpartition(" ")
        found[tuple(_short(frame) for frame in frames.split(";"))] += int(micros)
    return found


def by_layer(found: Stacks) -> Counter[str]:
    """Time by the innermost package of ringlog on the stack, as gateway_svc.wire, or grpc."""
    return _add_up((_layer(stack), micros) for stack, micros in found.items())


def by_function(found: Stacks) -> Counter[str]:
    """Time by the function that was running; what is written in C counts for its caller."""
    return _add_up((stack[-1], micros) for stack, micros in found.items())


def by_ancestor(found: Stacks) -> Counter[str]:
    """Time by every ringlog function on the stack, each counted once."""
    return _add_up(
        (frame, micros)
        for stack, micros in found.items()
        for frame in set(stack)
        if _is_ours(_path(frame))
    )


def _add_up(parts: Iterable[tuple[str, int]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for key, micros in parts:
        counts[key] += micros
    return counts


def _short(frame: str) -> str:
    """With the path below the repository or site-packages."""
    match = _FRAME.fullmatch(frame)
    if match is None:
        return frame
    path = match["path"]
    if "/site-packages/" in path:
        path = path.rpartition("/site-packages/")[2]
    return f"{match['function']} ({path.removeprefix(_ROOT + '/')})"


def _path(frame: str) -> str:
    match = _FRAME.fullmatch(frame)
    return match["path"] if match else "/"


def _layer(stack: tuple[str, ...]) -> str:
    for path in map(_path, reversed(stack)):
        if _COMPILED.match(path):
            return "gateway_svc.wire"
        if path.startswith(("grpc/", "/grpc/")):
            return "grpc"
        if _is_ours(path):
            return ".".join(Path(path).parent.parts)
    return _OUTSIDE


def _is_ours(path: str) -> bool:
    """Not a library, made-up source, the interpreter, or the sampler itself."""
    return not path.startswith(("/", "<", "benchmarks/", "grpc/"))

"""Reads py-spy's raw output and adds up samples: by layer, by function, by everything above.

A line is a stack from the thread down, frames parted by ";", and how often it was seen.
"""

import re
from collections import Counter
from pathlib import Path

#: Samples by stack, outermost frame first; each frame is "function (path:line)".
Stacks = Counter[tuple[str, ...]]

_ROOT = str(Path(__file__).parent.parent)
_FRAME = re.compile(r"(?P<function>.+) \((?P<path>.+?)(?::\d+)?\)")
_OUTSIDE = "outside ringlog"


def read(path: Path) -> Stacks:
    """One file as `py-spy record --format raw` writes it."""
    found: Stacks = Counter()
    for line in path.read_text().splitlines():
        frames, _, count = line.rpartition(" ")
        found[tuple(frames.split(";"))] += int(count)
    return found


def by_layer(found: Stacks) -> Counter[str]:
    """Samples by the innermost package of ringlog on the stack, as gateway_svc.wire, or grpc."""
    counts: Counter[str] = Counter()
    for stack, count in found.items():
        counts[_layer(stack)] += count
    return counts


def by_function(found: Stacks) -> Counter[str]:
    """Samples by the frame that was running."""
    counts: Counter[str] = Counter()
    for stack, count in found.items():
        counts[_function(stack[-1])] += count
    return counts


def by_ancestor(found: Stacks) -> Counter[str]:
    """Samples by every ringlog function on the stack, each counted once."""
    counts: Counter[str] = Counter()
    for stack, count in found.items():
        for function in {_function(frame) for frame in stack if _ROOT in frame}:
            counts[function] += count
    return counts


def _layer(stack: tuple[str, ...]) -> str:
    for frame in reversed(stack):
        path = _relative_path(frame)
        if path is None:
            continue
        if path.startswith("grpc/"):
            return "grpc"
        if not path.startswith("/"):
            return ".".join(Path(path).parent.parts)
    return _OUTSIDE


def _function(frame: str) -> str:
    match = _FRAME.fullmatch(frame)
    return f"{match['function']} ({_relative_path(frame)})" if match else frame


def _relative_path(frame: str) -> str | None:
    """Path below the repository or site-packages; None for a thread's or process's line."""
    match = _FRAME.fullmatch(frame)
    if match is None:
        return None
    path = match["path"]
    if "/site-packages/" in path:
        return path.rpartition("/site-packages/")[2]
    return path.removeprefix(_ROOT + "/")

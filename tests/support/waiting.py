"""Waiting for a condition, with a time limit and a message."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Interval of checks. No test relies on this delay.
_INTERVAL_S = 0.01


def eventually(condition: Callable[[], T], *, within_s: float = 30.0, what: str = "") -> T:
    """Calls `condition` until its result is truthy, and returns that; else raises AssertionError.

    An `OSError` counts as a falsy result: a broker that starts refuses connections at first.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            result: T | OSError = condition()
        except OSError as error:
            result = error
        if result and not isinstance(result, OSError):
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what or condition}: last {result!r}")
        time.sleep(_INTERVAL_S)

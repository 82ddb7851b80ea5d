"""Waiting for something to become true, with a bound and a message for when it does not."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Interval of checks. No test relies on this delay.
_LOOK_EVERY_S = 0.01


def eventually(look: Callable[[], T], *, within_s: float = 30.0, what: str = "") -> T:
    """The first truthy answer of `look`; `AssertionError` with its last answer when time is up.

    `OSError` counts as "not yet": a broker that starts refuses connections at first.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            answer: T | OSError = look()
        except OSError as error:
            answer = error
        if answer and not isinstance(answer, OSError):
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what or look}: last {answer!r}")
        time.sleep(_LOOK_EVERY_S)

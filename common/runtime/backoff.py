"""Exponential backoff: the delays between the attempts of something that is retried."""

import random


class Backoff:
    """Delays that double from `first_s` to `max_s`. Computes only: the caller sleeps.

    Callers that lose the same service at the same moment need `jitter`, so that they do not all
    return at the same moment.
    """

    __slots__ = ("_delay_s", "_first_s", "_jitter", "max_s")

    def __init__(self, first_s: float, max_s: float, *, jitter: float = 0.0) -> None:
        """`jitter`: the largest part of a delay, from 0 to 1, that is randomly left out."""
        self.max_s = max_s
        self._first_s = first_s
        self._delay_s = first_s
        self._jitter = jitter

    def next_s(self) -> float:
        """Returns the delay before the next attempt, in seconds."""
        delay_s = self._delay_s
        self._delay_s = min(2 * delay_s, self.max_s)
        if self._jitter:
            delay_s *= random.uniform(1 - self._jitter, 1)  # noqa: S311 - no secret
        return delay_s

    def reset(self) -> None:
        """Makes the next delay the first one, after a success."""
        self._delay_s = self._first_s

    def skip_to_max(self) -> None:
        """Makes the next delay the longest one, after a failure that will hardly pass."""
        self._delay_s = self.max_s

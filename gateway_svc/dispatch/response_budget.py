"""Bounds the memory of Fetch answers: how many bytes a request may be answered with now.

What clients have not taken yet is counted by the connections. This adds what is reserved for
requests that are being answered, so that many large ones at once do not exceed the limit together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: Granted whatever is in use: consumers get on, and the bound is exceeded by this much for each.
RESPONSE_BYTES_MIN: Final = 1 << 20

#: One answer may take this share of what is free, so that others still find something.
_SHARE: Final = 4


class ResponseBudget:
    """Room for answers within `bytes_max`, of which `used` tells what connections hold."""

    def __init__(self, bytes_max: int, used: Callable[[], int]) -> None:
        self._bytes_max = bytes_max
        self._used = used
        self._promised = 0

    @contextmanager
    def reserve(self, wanted: int) -> Iterator[int]:
        """The bytes to answer with: `wanted`, or fewer where memory is short."""
        free = self._bytes_max - self._used() - self._promised
        granted = min(wanted, max(RESPONSE_BYTES_MIN, free // _SHARE))
        self._promised += granted
        try:
            yield granted
        finally:
            self._promised -= granted

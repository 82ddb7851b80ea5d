"""The memory budget of Fetch responses: how many bytes a response may have now.

The connections count the bytes that clients have not read yet. This adds the bytes reserved for
responses in progress, so that many large ones at once do not exceed the limit together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: Always granted, so that consumers make progress; each may exceed the limit by this much.
RESPONSE_BYTES_MIN: Final = 1 << 20

#: One response gets at most one part in this many of the free memory, which leaves some to others.
_SHARE: Final = 4


class ResponseBudget:
    """A budget of `bytes_max`, of which connections hold `used()` bytes."""

    def __init__(self, bytes_max: int, used: Callable[[], int]) -> None:
        self._bytes_max = bytes_max
        self._used = used
        self._reserved = 0

    @contextmanager
    def reserve(self, requested: int) -> Iterator[int]:
        """Reserves, for the body of a with statement, `requested` bytes or fewer.

        Yields the number of bytes that the response may have.
        """
        free = self._bytes_max - self._used() - self._reserved
        granted = min(requested, max(RESPONSE_BYTES_MIN, free // _SHARE))
        self._reserved += granted
        try:
            yield granted
        finally:
            self._reserved -= granted

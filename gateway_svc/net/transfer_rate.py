"""Transfer rates of connections, checked against a minimum in time windows."""

from typing import Final

#: While connections wait for memory, the minimum rate of those that hold it is this many times
#: higher ...
_RATE_FACTOR_SHORT: Final = 64
#: ... and the rate of the overcommit holder is checked in windows this many times shorter.
_WINDOW_FACTOR_SHORT: Final = 1 / 12


class TransferRate:
    """The rate of one direction of a connection.

    A window begins with the first check after `stop`, and ends with the first check that is at
    least its length later, so late checks are never stricter.
    """

    __slots__ = ("_bytes_at_start", "_since")

    def __init__(self) -> None:
        self._since: float | None = None
        self._bytes_at_start = 0

    @property
    def is_measured(self) -> bool:
        """True within a window."""
        return self._since is not None

    def stop(self) -> None:
        """Ends the window: no transfer is under way."""
        self._since = None

    def is_slow(
        self, now: float, total_bytes: int, *, window_s: float, bytes_per_second: float
    ) -> bool:
        """Returns True at the end of a window in which too few bytes were transferred.

        `total_bytes` counts all bytes so far. The length of a window may change between checks.
        """
        if self._since is not None:
            if now - self._since < window_s:
                return False
            if total_bytes - self._bytes_at_start < window_s * bytes_per_second:
                return True
        self._since, self._bytes_at_start = now, total_bytes
        return False


class ConnectionRates:
    """The rates at which a connection receives requests and its client reads responses.

    In both checks `is_under_way` is False if there is nothing to transfer, which ends the window,
    and `is_memory_short` is True if other connections wait for memory that this one holds.
    """

    __slots__ = ("_bytes_per_second_min", "_window_s", "receive", "send")

    def __init__(self, *, window_s: float, bytes_per_second_min: int) -> None:
        """`bytes_per_second_min` 0: no rate is too slow."""
        self._window_s = window_s
        self._bytes_per_second_min = bytes_per_second_min
        self.receive = TransferRate()
        self.send = TransferRate()

    def is_receive_slow(
        self, now: float, received_bytes: int, *, is_under_way: bool, is_memory_short: bool
    ) -> bool:
        """True if a part of a request holds memory and the rest arrives too slowly."""
        if not is_under_way:
            self.receive.stop()
            return False
        window_s = self._window_s * (_WINDOW_FACTOR_SHORT if is_memory_short else 1)
        minimum = self._minimum(is_memory_short=is_memory_short)
        return self.receive.is_slow(
            now, received_bytes, window_s=window_s, bytes_per_second=minimum
        )

    def is_send_slow(
        self, now: float, sent_bytes: int, *, is_under_way: bool, is_memory_short: bool
    ) -> bool:
        """True if the client reads its responses too slowly."""
        if not is_under_way:
            self.send.stop()
            return False
        minimum = self._minimum(is_memory_short=is_memory_short)
        return self.send.is_slow(now, sent_bytes, window_s=self._window_s, bytes_per_second=minimum)

    def _minimum(self, *, is_memory_short: bool) -> int:
        return self._bytes_per_second_min * (_RATE_FACTOR_SHORT if is_memory_short else 1)

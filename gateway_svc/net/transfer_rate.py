"""Transfer rates of connections, checked against a minimum in time windows."""


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

"""Whether bytes move fast enough, looked at from time to time in windows."""


class TransferRate:
    """The pace of one direction of a connection.

    A window begins with the first look after `rest`, and ends with the first look that is at least
    its length later: so a loop that looks late is never stricter.
    """

    __slots__ = ("_moved", "_since")

    def __init__(self) -> None:
        self._since: float | None = None
        self._moved = 0

    @property
    def is_watched(self) -> bool:
        """True within a window."""
        return self._since is not None

    def rest(self) -> None:
        """Nothing is expected to move."""
        self._since = None

    def is_slow(self, now: float, moved: int, *, window_s: float, bytes_per_second: float) -> bool:
        """True at the end of a window in which too little moved.

        `moved` counts all bytes so far. The length of a window may change from look to look.
        """
        if self._since is not None:
            if now - self._since < window_s:
                return False
            if moved - self._moved < window_s * bytes_per_second:
                return True
        self._since, self._moved = now, moved
        return False

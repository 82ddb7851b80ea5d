"""One bound for the memory that all connections together hold: requests and unsent answers.

Counts bytes, holds none. A connection that wants to hold more than its allowance asks here whether
it may go on receiving.
"""

from typing import Protocol


class Waiter(Protocol):
    """A connection that stopped receiving for want of room."""

    def memory_freed(self) -> None:
        """There may be room now: ask again."""
        ...


class RequestMemory:
    """Bytes in use, the bound, and who waits for room.

    Where the bound is reached, one connection at a time, the senior, may still go on: half a frame
    holds memory and can only free it by becoming whole. So what is used stays under the bound plus
    one frame plus every connection's allowance, and somebody always moves.
    """

    def __init__(self, bytes_max: int, *, receive_bytes: int = 1) -> None:
        """`receive_bytes` is what a connection that was woken may receive before it asks again."""
        self.bytes_max = bytes_max
        self.used = 0
        self._receive_bytes = receive_bytes
        self._waiting: dict[Waiter, None] = {}  # in the order of asking
        self._senior: Waiter | None = None

    def take(self, byte_count: int) -> None:
        self.used += byte_count

    def give(self, byte_count: int) -> None:
        """Wakes as many as there is room for, going by what each takes now and may receive next."""
        self.used -= byte_count
        room = self.bytes_max - self.used
        while self._waiting and room > 0:
            used = self.used
            self._wake_oldest()
            room -= max(self.used - used, self._receive_bytes)

    def may_grow(self, waiter: Waiter) -> bool:
        """Whether `waiter` may receive more; where not, it is told when to ask again."""
        if self.used < self.bytes_max or self._senior is waiter:
            return True
        if self._senior is None:
            self._senior = waiter
            self._waiting.pop(waiter, None)
            return True
        self._waiting[waiter] = None
        return False

    @property
    def has_waiters(self) -> bool:
        """True while some connection stopped receiving for want of room."""
        return bool(self._waiting)

    def is_senior(self, waiter: Waiter) -> bool:
        return self._senior is waiter

    def forget(self, waiter: Waiter) -> None:
        """`waiter` is back within its allowance, or gone."""
        self._waiting.pop(waiter, None)
        if self._senior is waiter:
            self._senior = None
            if self._waiting:
                self._wake_oldest()

    def _wake_oldest(self) -> None:
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        oldest.memory_freed()

"""One bound for the memory that all connections together hold: requests and unsent responses.

Counts bytes, holds none. A connection that exceeds its allowance receives more only with its
permission.
"""

from typing import Protocol


class MemoryWaiter(Protocol):
    """A connection that may stop receiving because memory is short."""

    def memory_freed(self) -> None:
        """Called when there may be room: `RequestMemory.may_grow` decides."""
        ...


class RequestMemory:
    """Counts the bytes in use, and queues the connections that wait for room.

    At the bound one connection at a time may still receive: the overcommit holder. Part of a frame
    holds memory and frees it only when the frame is complete, so without a holder all connections
    could wait for each other. With one, use stays below the bound plus one frame plus the
    allowances of all connections, and one frame always makes progress.
    """

    def __init__(self, bytes_max: int, *, receive_bytes: int = 1) -> None:
        """`receive_bytes`: what a notified connection may receive before it calls `may_grow`."""
        self.bytes_max = bytes_max
        self.used = 0
        self._receive_bytes = receive_bytes
        self._waiting: dict[MemoryWaiter, None] = {}  # longest wait first
        self._overcommit_holder: MemoryWaiter | None = None

    def acquire(self, byte_count: int) -> None:
        """Counts bytes that are in use already; never blocks."""
        self.used += byte_count

    def release(self, byte_count: int) -> None:
        """Counts freed bytes, and notifies as many waiters as there is room for.

        Each is charged with what it acquires while it is notified, and at least `receive_bytes`.
        """
        self.used -= byte_count
        room = self.bytes_max - self.used
        while self._waiting and room > 0:
            used = self.used
            self._notify_first()
            room -= max(self.used - used, self._receive_bytes)

    def may_grow(self, waiter: MemoryWaiter) -> bool:
        """Returns True if `waiter` may receive more; else it is notified when there is room."""
        if self.used < self.bytes_max or self._overcommit_holder is waiter:
            return True
        if self._overcommit_holder is None:
            self._overcommit_holder = waiter
            self._waiting.pop(waiter, None)
            return True
        self._waiting[waiter] = None
        return False

    @property
    def has_waiters(self) -> bool:
        """True while a connection does not receive because memory is short."""
        return bool(self._waiting)

    def holds_overcommit(self, waiter: MemoryWaiter) -> bool:
        """True if `waiter` may receive although the bound is reached."""
        return self._overcommit_holder is waiter

    def withdraw(self, waiter: MemoryWaiter) -> None:
        """Removes a connection that is within its allowance again, or has ended.

        If it held the overcommit, that passes to the connection that has waited longest.
        """
        self._waiting.pop(waiter, None)
        if self._overcommit_holder is waiter:
            self._overcommit_holder = None
            if self._waiting:
                self._notify_first()

    def _notify_first(self) -> None:
        waiter = next(iter(self._waiting))
        del self._waiting[waiter]
        waiter.memory_freed()

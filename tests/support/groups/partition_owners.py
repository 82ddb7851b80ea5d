"""Who has which partition at the moment, as the members of a group know it themselves."""

import threading
from collections.abc import Iterable


class Owners:
    """Told by members, in whatever threads: before they read, and before they let go.

    `conflicts`: partitions that two had at a time.
    """

    def __init__(self) -> None:
        self.conflicts: list[str] = []
        self._lock = threading.Lock()
        self._owners: dict[int, object] = {}

    def took(self, who: object, partitions: Iterable[int]) -> None:
        with self._lock:
            for one in partitions:
                owner = self._owners.setdefault(one, who)
                if owner is not who:
                    self.conflicts.append(f"{one} of {owner} taken by {who}")

    def gave_up(self, who: object, partitions: Iterable[int]) -> None:
        with self._lock:
            for one in partitions:
                if self._owners.get(one) is who:
                    del self._owners[one]

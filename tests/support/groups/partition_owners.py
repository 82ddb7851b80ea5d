"""Current owners of partitions, as the members of a group report them."""

import threading
from collections.abc import Iterable


class Owners:
    """Updated by members, from any thread: before they read, and before they revoke.

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
            for partition in partitions:
                if self._owners.get(partition) is who:
                    del self._owners[partition]

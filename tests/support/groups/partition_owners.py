"""Current owners of partitions, as members of a group report them."""

import threading
from collections.abc import Iterable


class Owners:
    """Owners by partition. Members report before they read and before they revoke, from any thread.

    `conflicts`: partitions that had two owners at a time.
    """

    def __init__(self) -> None:
        self.conflicts: list[str] = []
        self._lock = threading.Lock()
        self._owners: dict[int, object] = {}

    def add(self, member: object, partitions: Iterable[int]) -> None:
        with self._lock:
            for partition in partitions:
                owner = self._owners.setdefault(partition, member)
                if owner is not member:
                    self.conflicts.append(f"{partition} of {owner} taken by {member}")

    def remove(self, member: object, partitions: Iterable[int]) -> None:
        with self._lock:
            for partition in partitions:
                if self._owners.get(partition) is member:
                    del self._owners[partition]

"""A `KvStore` in memory, without durability."""

from common.kv.store import KvStoreFailed, WriteBatch


class MemoryKvStore:
    """Implements `KvStore`."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] | None = {}

    def get(self, key: bytes) -> bytes | None:
        return self._opened().get(key)

    def scan(self, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
        return sorted(entry for entry in self._opened().items() if start <= entry[0] < end)

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        entries = self._opened()
        for key, value in batch:
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value

    def close(self) -> None:
        self._entries = None

    def _opened(self) -> dict[bytes, bytes]:
        if self._entries is None:
            raise KvStoreFailed("the store is closed")
        return self._entries

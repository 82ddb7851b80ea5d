"""Records that tests send and read back, with any client."""

from dataclasses import dataclass
from typing import NamedTuple


class Header(NamedTuple):
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `timestamp_ms` None: whatever the client or the broker puts in."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[Header, ...] = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A record as it was read: always with an offset and a timestamp."""

    offset: int
    record: Record

    @property
    def value(self) -> bytes | None:
        return self.record.value


def numbered(count: int, *, size: int = 20, start: int = 0) -> list[Record]:
    """Records whose values contain their number, `size` bytes each."""
    return [
        Record(value=b"%010d" % number + b"." * (size - 10))
        for number in range(start, start + count)
    ]

"""Records that tests send and read back, with any client."""

from dataclasses import dataclass
from typing import NamedTuple


class Header(NamedTuple):
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `timestamp_ms` None: the client or the broker sets it."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[Header, ...] = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A record that was read, with an offset and a timestamp."""

    offset: int
    record: Record

    @property
    def value(self) -> bytes | None:
        return self.record.value


def numbered(count: int, *, size: int = 20, start: int = 0) -> list[Record]:
    """Returns records whose values contain their numbers, `size` bytes each."""
    return [
        Record(value=b"%010d" % number + b"." * (size - 10))
        for number in range(start, start + count)
    ]

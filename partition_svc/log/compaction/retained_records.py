"""What compaction keeps of a log: pure. Rules of Cleaner.shouldRetainRecord of Apache Kafka.

The last record of each key stays. A tombstone that is its key's last stays for a while after it was
met first, so that whoever reads the log learns of it; records without a key go.

A batch that cannot be read, or cannot be written again, is left as it is. Nothing is taken away for
its sake either, for its readers may not get a record out of it.
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Final, TypeVar

from common.records.batch import BatchHeader, parse_header
from common.records.errors import CorruptRecords
from common.records.keyed import (
    KeyedRecord,
    delete_horizon_ms,
    keyed_records,
    keyed_records_in,
    with_records,
)
from common.records.records import inflate
from common.runtime.gil import yielding_gil
from partition_svc.store.replacing import Replacement

T = TypeVar("T")

#: Keys are kept as digests, so that long ones take no more memory than short ones.
_DIGEST_BYTES: Final = 16
#: Rough memory of a digest, an offset, and their place in a dict.
_ENTRY_BYTES: Final = 200
#: Keys that one batch may have however little memory there is: else there was no way past it.
_KEYS_OF_ONE_BATCH: Final = 1 << 16
#: More records of a batch than this are not kept in memory, where each takes some 300 bytes.
_RECORDS_IN_MEMORY: Final = 4096

#: Why batches were left alone, by their base offsets.
LeftAlone = MutableMapping[int, str]


class LastOffsets:
    """The last offset of each key in a part of a log, as long as they fit into `bytes_max`."""

    def __init__(self, start: int, bytes_max: int) -> None:
        #: The part ends before this offset.
        self.end = start
        self._keys_max = max(1, bytes_max // _ENTRY_BYTES)
        self._offsets: dict[bytes, int] = {}
        #: Whether the last batch found no room: what follows it is for another pass.
        self.is_full = False

    def add(self, batches: Iterable[bytes], left_alone: LeftAlone) -> None:
        """Takes in batches that follow each other, those that there is room for.

        A batch that alone has too many keys is taken all the same, save that of a very large one
        only the first keys are noted: earlier records of the others stay where they are.
        """
        for batch in batches:
            header = parse_header(batch)
            if self._offsets and len(self._offsets) + header.record_count > self._keys_max:
                self.is_full = True
                break
            if not header.is_control:
                records = _guarded(lambda: _records(batch, header), header, left_alone)  # noqa: B023
                self._note(records or ())
            self.end = header.last_offset + 1

    def _note(self, records: Iterable[KeyedRecord]) -> None:
        offsets = self._offsets
        keys_max = max(self._keys_max, _KEYS_OF_ONE_BATCH)
        for offset, _, key, _, _ in records:
            if key is not None:
                digest = _digest(key)
                if len(offsets) < keys_max or digest in offsets:
                    offsets[digest] = offset

    def has_later(self, record: KeyedRecord) -> bool:
        """Whether there is a later record of the same key."""
        return record.key is not None and self._offsets.get(_digest(record.key), -1) > record.offset


def compact(
    batches: Sequence[bytes],
    last_offsets: LastOffsets,
    now_ms: int,
    delete_retention_ms: int,
    left_alone: LeftAlone,
) -> list[Replacement]:
    """What must be put in the place of batches; those of which all stays as it is are left out."""
    rules = _Rules(last_offsets, now_ms, delete_retention_ms)
    found: list[Replacement] = []
    for batch in batches:
        header = parse_header(batch)
        replacement = _guarded(lambda: rules.replacement(batch, header), header, left_alone)  # noqa: B023
        if replacement is not None:
            found.append(replacement)
    return found


class _Rules:
    def __init__(self, last_offsets: LastOffsets, now_ms: int, delete_retention_ms: int) -> None:
        self._last_offsets = last_offsets
        self._now_ms = now_ms
        self._retention_ms = delete_retention_ms

    def replacement(self, batch: bytes, header: BatchHeader) -> Replacement | None:
        """None: all of it stays as it is. Raises what reading or writing its records raises."""
        if header.is_control:
            return None
        horizon_ms = delete_horizon_ms(header)
        has_expired = horizon_ms is not None and self._now_ms >= horizon_ms
        kept = _chosen(_records(batch, header), partial(self._stays, has_expired=has_expired))
        count = tombstones = 0
        for one in kept:
            count += 1
            tombstones += one.is_tombstone
        is_new = horizon_ms is None and tombstones > 0
        if count == header.record_count and not is_new:
            return None
        if not count:
            return Replacement(header.last_offset, len(batch), None)
        horizon_ms = self._now_ms + self._retention_ms if is_new else None
        changed = with_records(header, kept, delete_horizon_ms=horizon_ms)
        _check_same(kept, keyed_records(changed, parse_header(changed)))
        return Replacement(header.last_offset, len(batch), changed)

    def _stays(self, record: KeyedRecord, *, has_expired: bool) -> bool:
        if record.key is None or (record.is_tombstone and has_expired):
            return False
        return not self._last_offsets.has_later(record)


class _Streamed:
    """The records of a large batch, decoded each time that they are iterated over."""

    def __init__(self, batch: bytes, header: BatchHeader) -> None:
        """Raises as `keyed_records`, whatever of it is unreadable."""
        self._data = inflate(batch, header)
        self._header = header
        for _ in self:
            pass

    def __iter__(self) -> Iterator[KeyedRecord]:
        return yielding_gil(keyed_records_in(self._data, self._header))


class _Filtered:
    """Those of a large batch that stay, looked for each time that they are iterated over."""

    def __init__(self, records: _Streamed, stays: Callable[[KeyedRecord], bool]) -> None:
        self._records = records
        self._stays = stays

    def __iter__(self) -> Iterator[KeyedRecord]:
        return filter(self._stays, self._records)


def _chosen(
    records: _Streamed | list[KeyedRecord], stays: Callable[[KeyedRecord], bool]
) -> Iterable[KeyedRecord]:
    """To be iterated over as often as needed, like `records`."""
    if isinstance(records, list):
        return [one for one in records if stays(one)]
    return _Filtered(records, stays)


def _records(batch: bytes, header: BatchHeader) -> _Streamed | list[KeyedRecord]:
    """To be iterated over as often as needed.

    Raises `CorruptRecords` or `UnsupportedRecords` before any.
    """
    if header.record_count > _RECORDS_IN_MEMORY:
        return _Streamed(batch, header)
    return list(keyed_records(batch, header))


def _check_same(written: Iterable[KeyedRecord], read: Iterable[KeyedRecord]) -> None:
    """Raises `CorruptRecords` where what was written does not read back."""
    if any(one != other for one, other in zip(written, read, strict=True)):
        raise CorruptRecords("the batch would not read back as it was written")


def _guarded(work: Callable[[], T], header: BatchHeader, left_alone: LeftAlone) -> T | None:
    """What `work` returns; None where the batch is to be left alone, whatever it raises."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - one batch must not stop what cleans all logs
        left_alone[header.base_offset] = str(error) or repr(error)
        return None


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=_DIGEST_BYTES).digest()

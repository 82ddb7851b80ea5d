"""Records that compaction retains (Cleaner.shouldRetainRecord of Apache Kafka). Pure functions.

The last record of each key is retained. If it is a tombstone it is removed some time after
compaction first met it, so that consumers can read it before. Records without a key are removed.

A batch that cannot be read or rewritten stays unchanged. Its keys do not remove older records
either, because consumers may not be able to read it.
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
from partition_svc.store.space.replacing import Replacement

T = TypeVar("T")

#: Keys are kept as digests, so that long ones take no more memory than short ones.
_DIGEST_BYTES: Final = 16
#: Estimated memory of a digest and an offset in a dict.
_ENTRY_BYTES: Final = 200
#: Keys of one batch that are always collected, so that a pass gets past a large batch.
_KEYS_OF_ONE_BATCH: Final = 1 << 16
#: Batches with more records are decoded again for each use: in memory a record takes 300 bytes.
_RECORDS_IN_MEMORY: Final = 4096

#: The reasons why batches were skipped, by base offset.
Skipped = MutableMapping[int, str]


class LastOffsets:
    """The last offset of each key in a part of a log; the part ends where `bytes_max` is full."""

    def __init__(self, start: int, bytes_max: int) -> None:
        #: The part ends before this offset.
        self.end = start
        self._keys_max = max(1, bytes_max // _ENTRY_BYTES)
        self._offsets: dict[bytes, int] = {}
        #: True once a batch did not fit; the part ends before it.
        self.is_full = False

    def add(self, batches: Iterable[bytes], skipped: Skipped) -> None:
        """Adds consecutive batches as long as they fit.

        A first batch that is too large is added nevertheless, with a limited number of its keys:
        earlier records of its other keys stay.
        """
        for batch in batches:
            header = parse_header(batch)
            if self._offsets and len(self._offsets) + header.record_count > self._keys_max:
                self.is_full = True
                break
            if not header.is_control:
                records = _skip_on_error(lambda: _records(batch, header), header, skipped)  # noqa: B023
                self._add_keys(records or ())
            self.end = header.last_offset + 1

    def _add_keys(self, records: Iterable[KeyedRecord]) -> None:
        offsets = self._offsets
        keys_max = max(self._keys_max, _KEYS_OF_ONE_BATCH)
        for offset, _, key, _, _ in records:
            if key is not None:
                digest = _digest(key)
                if len(offsets) < keys_max or digest in offsets:
                    offsets[digest] = offset

    def has_later(self, record: KeyedRecord) -> bool:
        """Returns True if there is a later record of the same key."""
        return record.key is not None and self._offsets.get(_digest(record.key), -1) > record.offset


def compact(
    batches: Sequence[bytes],
    last_offsets: LastOffsets,
    now_ms: int,
    delete_retention_ms: int,
    skipped: Skipped,
) -> list[Replacement]:
    """Returns replacements for the batches that change."""
    rules = _Rules(last_offsets, now_ms, delete_retention_ms)
    found: list[Replacement] = []
    for batch in batches:
        header = parse_header(batch)
        replacement = _skip_on_error(lambda: rules.replacement(batch, header), header, skipped)  # noqa: B023
        if replacement is not None:
            found.append(replacement)
    return found


class _Rules:
    def __init__(self, last_offsets: LastOffsets, now_ms: int, delete_retention_ms: int) -> None:
        self._last_offsets = last_offsets
        self._now_ms = now_ms
        self._retention_ms = delete_retention_ms

    def replacement(self, batch: bytes, header: BatchHeader) -> Replacement | None:
        """Returns None if the batch stays unchanged. Raises if it cannot be read or rewritten."""
        if header.is_control:
            return None
        horizon_ms = delete_horizon_ms(header)
        has_expired = horizon_ms is not None and self._now_ms >= horizon_ms
        kept = _select(_records(batch, header), partial(self._is_retained, has_expired=has_expired))
        count = tombstones = 0
        for record in kept:
            count += 1
            tombstones += record.is_tombstone
        is_new = horizon_ms is None and tombstones > 0
        if count == header.record_count and not is_new:
            return None
        if not count:
            return Replacement(header.last_offset, len(batch), None)
        horizon_ms = self._now_ms + self._retention_ms if is_new else None
        changed = with_records(header, kept, delete_horizon_ms=horizon_ms)
        _check_equal(kept, keyed_records(changed, parse_header(changed)))
        return Replacement(header.last_offset, len(batch), changed)

    def _is_retained(self, record: KeyedRecord, *, has_expired: bool) -> bool:
        if record.key is None or (record.is_tombstone and has_expired):
            return False
        return not self._last_offsets.has_later(record)


class _Streamed:
    """The records of a large batch; each iteration decodes them again."""

    def __init__(self, batch: bytes, header: BatchHeader) -> None:
        """Decodes all records once, so that errors are raised here; see `keyed_records`."""
        self._data = inflate(batch, header)
        self._header = header
        for _ in self:
            pass

    def __iter__(self) -> Iterator[KeyedRecord]:
        return yielding_gil(keyed_records_in(self._data, self._header))


class _Filtered:
    """The retained records of a large batch; each iteration selects them again."""

    def __init__(self, records: _Streamed, is_retained: Callable[[KeyedRecord], bool]) -> None:
        self._records = records
        self._is_retained = is_retained

    def __iter__(self) -> Iterator[KeyedRecord]:
        return filter(self._is_retained, self._records)


def _select(
    records: _Streamed | list[KeyedRecord], is_retained: Callable[[KeyedRecord], bool]
) -> Iterable[KeyedRecord]:
    """Returns the retained records, which can be iterated over several times."""
    if isinstance(records, list):
        return [record for record in records if is_retained(record)]
    return _Filtered(records, is_retained)


def _records(batch: bytes, header: BatchHeader) -> _Streamed | list[KeyedRecord]:
    """Returns the records of a batch, which can be iterated over several times.

    Raises:
        CorruptRecords, UnsupportedRecords: here, not while iterating.
    """
    if header.record_count > _RECORDS_IN_MEMORY:
        return _Streamed(batch, header)
    return list(keyed_records(batch, header))


def _check_equal(written: Iterable[KeyedRecord], read: Iterable[KeyedRecord]) -> None:
    """Raises `CorruptRecords` if the rewritten batch does not have the same records."""
    if any(old != new for old, new in zip(written, read, strict=True)):
        raise CorruptRecords("the batch would not read back as it was written")


def _skip_on_error(work: Callable[[], T], header: BatchHeader, skipped: Skipped) -> T | None:
    """Returns the result of `work`; None if it raises, which is recorded in `skipped`."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - one batch must not stop the compaction of all logs
        skipped[header.base_offset] = str(error) or repr(error)
        return None


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=_DIGEST_BYTES).digest()

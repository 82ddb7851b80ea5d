"""What compaction keeps of a log: pure. Rules of Cleaner.shouldRetainRecord of Apache Kafka.

The last record of each key stays. A tombstone that is its key's last stays for a while after it was
met first, so that whoever reads the log learns of it; records without a key go.
"""

import logging
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

from common.records.batch import BatchHeader, parse_header
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.keyed import KeyedRecord, delete_horizon_ms, keyed_records, with_records
from partition_svc.store.replacing import Replacement

log = logging.getLogger(__name__)

#: Keys are kept as digests, so that long ones take no more memory than short ones.
_DIGEST_BYTES: Final = 16
#: Rough memory of a digest, an offset, and their place in a dict.
_ENTRY_BYTES: Final = 200


class LastOffsets:
    """The last offset of each key in a part of a log, as long as they fit into `bytes_max`."""

    def __init__(self, start: int, bytes_max: int) -> None:
        #: The part ends before this offset.
        self.end = start
        self._keys_max = max(1, bytes_max // _ENTRY_BYTES)
        self._offsets: dict[bytes, int] = {}
        #: Whether the last batch found no room: what follows it is for another pass.
        self.is_full = False

    def add(self, batches: Iterable[bytes]) -> None:
        """Takes in batches that follow each other, those that there is room for.

        A batch that alone has too many keys is taken all the same: else there was no way past it.
        """
        offsets = self._offsets
        for batch in batches:
            header = parse_header(batch)
            if offsets and len(offsets) + header.record_count > self._keys_max:
                self.is_full = True
                break
            for offset, _, key, _, _ in _records(batch, header) or ():
                if key is not None:
                    offsets[_digest(key)] = offset
            self.end = header.last_offset + 1

    def has_later(self, record: KeyedRecord) -> bool:
        """Whether there is a later record of the same key."""
        return record.key is not None and self._offsets.get(_digest(record.key), -1) > record.offset


def compact(
    batches: Sequence[bytes], last_offsets: LastOffsets, now_ms: int, delete_retention_ms: int
) -> list[Replacement]:
    """What must be put in the place of batches; those of which all stays as it is are left out."""
    found: list[Replacement] = []
    for batch in batches:
        header = parse_header(batch)
        records = _records(batch, header)
        if records is None:
            continue
        horizon_ms = delete_horizon_ms(header)
        has_expired = horizon_ms is not None and now_ms >= horizon_ms
        kept = [one for one in records if _stays(one, last_offsets, has_expired)]
        is_new = horizon_ms is None and any(one.is_tombstone for one in kept)
        if len(kept) == len(records) and not is_new:
            continue
        horizon_ms = now_ms + delete_retention_ms if is_new else None
        changed = with_records(header, kept, delete_horizon_ms=horizon_ms) if kept else None
        found.append(Replacement(header.last_offset, len(batch), changed))
    return found


def _stays(record: KeyedRecord, last_offsets: LastOffsets, has_expired: bool) -> bool:
    if record.key is None or (record.is_tombstone and has_expired):
        return False
    return not last_offsets.has_later(record)


def _records(batch: bytes, header: BatchHeader) -> list[KeyedRecord] | None:
    """None where they are not to be touched: control batches, and what cannot be read."""
    if header.is_control:
        return None
    try:
        return list(keyed_records(batch, header))
    except (CorruptRecords, UnsupportedRecords) as error:
        log.warning("the batch at offset %d is not compacted: %s", header.base_offset, error)
        return None


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=_DIGEST_BYTES).digest()

"""Loading of the groups of one partition of `__consumer_offsets` from the start of its log.

The last value of each key counts. Keys of unknown versions are ignored.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.partitions import FetchPartition, FetchQuery, LogId, Partitions, Refusal
from common.records.batch import iter_batches
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.records import Header, decode_records
from partition_svc.coordinator.group.logged_members import LoadedGroup
from partition_svc.coordinator.records.fields import MalformedRecord
from partition_svc.coordinator.records.group_records import decode

log = logging.getLogger(__name__)

_READ_BYTES: Final = 256 << 10
#: Records between two yields to the event loop: about two milliseconds of work.
_RECORDS_PER_YIELD: Final = 250


class CannotLoad(Exception):
    """Raised when the log could not be read to its end; `refusal` is the reason."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


#: Offset, value and headers of a record.
_Last = tuple[int, bytes, tuple[Header, ...]]


async def load(partitions: Partitions, log_id: LogId) -> dict[str, LoadedGroup]:
    """Returns the groups of a partition by id. The log must not be appended to meanwhile.

    Raises:
        CannotLoad: the log is not here (any more), or cannot be read to its end at the moment.
        BackendUnavailable: see `Partitions`.
    """
    last: dict[bytes, _Last] = {}
    (description,) = await partitions.describe_logs([log_id])
    if description.refusal is not None:
        raise CannotLoad(description.refusal)
    offset, end = description.log_start_offset, description.log_end_offset
    while offset < end:
        query = FetchPartition(log_id, offset, _READ_BYTES)
        (found,) = await partitions.fetch(FetchQuery([query], 0, 1, _READ_BYTES))
        if found.refusal is not None:
            raise CannotLoad(found.refusal)
        if not found.records:
            # Compaction may have removed the rest, unless some records are not readable yet.
            if found.high_watermark < end:
                raise CannotLoad(Refusal.KAFKA_STORAGE_ERROR)
            break
        offset = await _apply_batches(last, found.records, log_id)
        await asyncio.sleep(0)
    return await _decoded(last)


async def _apply_batches(
    last: dict[bytes, _Last], chunks: Sequence[bytes | memoryview], log_id: LogId
) -> int:
    """Stores the last value of each key of whole batches; returns the offset after them."""
    offset, left = -1, _RECORDS_PER_YIELD
    for chunk in chunks:
        for position, header in iter_batches(chunk):
            offset = header.last_offset + 1
            if header.is_control:
                continue
            size = header.size
            is_whole = size == len(chunk)
            batch = chunk if is_whole else memoryview(chunk)[position : position + size]
            try:
                for at, _, key, value, headers in decode_records(header, batch):
                    if value is not None and key is not None:
                        last[key] = at, value, headers
                    elif key is not None:
                        last.pop(key, None)
                    left -= 1
                    if not left:
                        left = _RECORDS_PER_YIELD
                        await asyncio.sleep(0)
            except (CorruptRecords, UnsupportedRecords) as error:
                log.warning(
                    "cannot read a batch of %s-%d: %s", OFFSETS_TOPIC, log_id.partition, error
                )
    return offset


async def _decoded(last: dict[bytes, _Last]) -> dict[str, LoadedGroup]:
    """Returns the groups of the last value of each key; there are no tombstones."""
    groups: dict[str, LoadedGroup] = {}
    for number, (key, (offset, value, headers)) in enumerate(last.items(), 1):
        if number % _RECORDS_PER_YIELD == 0:
            await asyncio.sleep(0)
        try:
            record = decode(key, value, headers)
        except MalformedRecord as error:
            log.warning("cannot read the record at offset %d: %s", offset, error)
            continue
        if record is not None:
            group = groups.get(record.group_id)
            if group is None:
                group = groups[record.group_id] = LoadedGroup()
            group.add(record)
    return groups

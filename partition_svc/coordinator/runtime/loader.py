"""Rebuilds what one partition of `__consumer_offsets` says, by reading it from its start.

The last value of each key counts. Keys of versions that are not known here are left alone.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from common.ports.partitions import FetchPartition, FetchQuery, LogId, Partitions, Refusal
from common.records.batch import iter_batches
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.records import Header, decode_records
from partition_svc.coordinator.group.logged_members import LoggedMembers
from partition_svc.coordinator.records.fields import MalformedRecord
from partition_svc.coordinator.records.group_records import decode
from partition_svc.coordinator.records.result import Record
from partition_svc.coordinator.records.stored import OffsetRecord, StoredOffset

log = logging.getLogger(__name__)

_READ_BYTES: Final = 256 << 10
#: After so many records something else gets its turn: about two milliseconds of work.
_RECORDS_A_TURN: Final = 250


class CannotLoad(Exception):
    """The log could not be read to its end: `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


#: Offset, value and headers of a record.
_Last = tuple[int, bytes, tuple[Header, ...]]


@dataclass(slots=True)
class LoadedGroup(LoggedMembers):
    """What the log says of one group. `offsets`: by topic, then partition."""

    offsets: dict[str, dict[int, StoredOffset]] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """Whether anything is left of it."""
        return bool(self.stored or self.offsets or self.consumer)

    def add(self, record: Record) -> None:
        """Takes over the next record: a tombstone ends what came before under its key."""
        if isinstance(record, OffsetRecord):
            self._add_offset(record)
        else:
            self.replay(record)

    def _add_offset(self, record: OffsetRecord) -> None:
        _, topic, partition, value = record
        partitions = self.offsets.get(topic)
        if partitions is None:
            partitions = self.offsets[topic] = {}
        if value is not None:
            partitions[partition] = value
            return
        partitions.pop(partition, None)
        if not partitions:
            del self.offsets[topic]


async def load(partitions: Partitions, wanted: LogId) -> dict[str, LoadedGroup]:
    """The groups of a partition, by id. Nobody may append to the log meanwhile.

    Raises:
        CannotLoad: the log is not here (any more), or not all of it can be read at the moment.
        BackendUnavailable: as `Partitions`.
    """
    last: dict[bytes, _Last] = {}
    (description,) = await partitions.describe_logs([wanted])
    if description.refusal is not None:
        raise CannotLoad(description.refusal)
    offset, end = description.log_start_offset, description.log_end_offset
    while offset < end:
        asked = FetchPartition(wanted, offset, _READ_BYTES)
        (found,) = await partitions.fetch(FetchQuery([asked], 0, 1, _READ_BYTES))
        if found.refusal is not None:
            raise CannotLoad(found.refusal)
        if not found.records:
            # There may be no records left up to the end, save for what is not readable yet.
            if found.high_watermark < end:
                raise CannotLoad(Refusal.KAFKA_STORAGE_ERROR)
            break
        offset = await _note(last, found.records, wanted)
        await asyncio.sleep(0)
    return await _decoded(last)


async def _note(
    last: dict[bytes, _Last], chunks: Sequence[bytes | memoryview], wanted: LogId
) -> int:
    """Notes what whole batches say last of each key; the offset after them."""
    offset, left_of_turn = -1, _RECORDS_A_TURN
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
                    left_of_turn -= 1
                    if not left_of_turn:
                        left_of_turn = _RECORDS_A_TURN
                        await asyncio.sleep(0)
            except (CorruptRecords, UnsupportedRecords) as error:
                log.warning("a batch of %s cannot be read: %s", wanted, error)
    return offset


async def _decoded(last: dict[bytes, _Last]) -> dict[str, LoadedGroup]:
    """Each key's last value, which is not a tombstone."""
    groups: dict[str, LoadedGroup] = {}
    for number, (key, (offset, value, headers)) in enumerate(last.items(), 1):
        if number % _RECORDS_A_TURN == 0:
            await asyncio.sleep(0)
        try:
            record = decode(key, value, headers)
        except MalformedRecord as error:
            log.warning("the record at offset %d cannot be read: %s", offset, error)
            continue
        if record is not None:
            group = groups.get(record.group_id)
            if group is None:
                group = groups[record.group_id] = LoadedGroup()
            group.add(record)
    return groups

"""Rebuilds what one partition of `__consumer_offsets` says, by reading it from its start.

The last value of each key counts. Only those are decoded, which makes a log that was not compacted
yet cheaper to load; keys of versions that are not known here are left alone.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from common.ports.partitions import FetchPartition, FetchQuery, LogId, Partitions, Refusal
from common.records.batch import iter_batches
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.records import Record as LogRecord
from common.records.records import read_records
from partition_svc.coordinator.effects import Record
from partition_svc.coordinator.fields import Malformed
from partition_svc.coordinator.records import decode
from partition_svc.coordinator.stored import (
    GroupRecord,
    OffsetRecord,
    StoredGroup,
    StoredOffset,
)
from partition_svc.coordinator.stored_consumer import ConsumerRecord

log = logging.getLogger(__name__)

_READ_BYTES: Final = 256 << 10
#: After so many records something else gets its turn: about two milliseconds of work.
_RECORDS_A_TURN: Final = 500


class CannotLoad(Exception):
    """The log could not be read to its end: `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


@dataclass(slots=True)
class LoadedGroup:
    """What the log says of one group, as a classic or as a consumer group.

    `offsets`: by topic, then partition.
    """

    stored: StoredGroup | None = None
    offsets: dict[str, dict[int, StoredOffset]] = field(default_factory=dict)
    consumer: list[ConsumerRecord] = field(default_factory=list)

    def add(self, record: Record) -> None:
        if isinstance(record, GroupRecord):
            self.stored = record.value
        elif not isinstance(record, OffsetRecord):
            self.consumer.append(record)
        elif record.value is not None:
            self.offsets.setdefault(record.topic, {})[record.partition] = record.value


async def load(partitions: Partitions, wanted: LogId) -> dict[str, LoadedGroup]:
    """The groups of a partition, by id. Nobody may append to the log meanwhile.

    Raises:
        CannotLoad: the log is not here (any more), or not all of it can be read at the moment.
        BackendUnavailable: as `Partitions`.
    """
    latest: dict[bytes, LogRecord] = {}
    async for batch in _batches(partitions, wanted):
        try:
            await _keep_the_last(latest, batch)
        except (CorruptRecords, UnsupportedRecords) as error:
            log.warning("a batch of %s cannot be read: %s", wanted, error)
    return await _grouped(wanted, latest)


async def _batches(partitions: Partitions, wanted: LogId) -> AsyncIterator[memoryview]:
    """Whole batches from the log's start to its end."""
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
                raise CannotLoad(Refusal.STORAGE_ERROR)
            return
        for records in found.records:
            chunk = memoryview(records)
            for position, header in iter_batches(chunk):
                offset = header.last_offset + 1
                if not header.is_control:
                    yield chunk[position : position + header.size]
        await asyncio.sleep(0)


async def _keep_the_last(latest: dict[bytes, LogRecord], batch: memoryview) -> None:
    for number, record in enumerate(read_records(batch), 1):
        if record.key is None:
            continue
        if record.value is None:
            latest.pop(record.key, None)
        else:
            latest[record.key] = record
        if number % _RECORDS_A_TURN == 0:
            await asyncio.sleep(0)


async def _grouped(wanted: LogId, latest: Mapping[bytes, LogRecord]) -> dict[str, LoadedGroup]:
    groups: dict[str, LoadedGroup] = {}
    for number, (key, (_, _, _, value, headers)) in enumerate(latest.items(), 1):
        if number % _RECORDS_A_TURN == 0:
            await asyncio.sleep(0)
        try:
            record = decode(key, value, headers)
        except Malformed as error:
            log.warning("a record of %s cannot be read: %s", wanted, error)
            continue
        if record is None:
            continue
        group = groups.get(record.group_id)
        if group is None:
            group = groups[record.group_id] = LoadedGroup()
        group.add(record)
    return groups

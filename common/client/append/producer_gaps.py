"""Sequence gaps of the producers of all logs, which failed appends leave."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from common.client.append.append_call import QueuedAppend
from common.ports.partitions import LogId
from common.records.sequence_gaps import SequenceGaps, producer_batch

#: Stands for all producers without an id.
NO_PRODUCER_ID: Final = -1


class ProducerGaps:
    """Decides which appends are refused until their producer has sent a lost one again."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._logs: dict[LogId, SequenceGaps] = {}

    def admit(self, item: QueuedAppend) -> bool:
        """See `SequenceGaps.admit`."""
        gaps = self._logs.get(item.append.log)
        batch = producer_batch(item.append.batch) if gaps else None
        return gaps is None or batch is None or gaps.admit(batch, self._loop.time())

    def open(self, items: Iterable[QueuedAppend]) -> None:
        """Notes appends that fail with an error after which their producers send them again."""
        now_s = self._loop.time()
        for item in items:
            batch = producer_batch(item.append.batch)
            if batch is not None:
                self._logs.setdefault(item.append.log, SequenceGaps()).open(batch, now_s)

    def exist_in(self, log_id: LogId) -> bool:
        """Returns whether a producer of the log has a gap."""
        gaps = self._logs.get(log_id)
        if gaps is None:
            return False
        gaps.expire(self._loop.time())
        if not gaps:
            del self._logs[log_id]
        return bool(gaps)

    def expire(self) -> None:
        """Forgets old gaps of all logs."""
        for log_id in [*self._logs]:
            self.exist_in(log_id)

    def forget(self, is_unknown: Callable[[LogId], bool]) -> None:
        """Forgets the gaps of logs that do not exist any more."""
        for log_id in [*self._logs]:
            if is_unknown(log_id):
                del self._logs[log_id]


def producer_id_of(item: QueuedAppend) -> int:
    """Returns the producer id of an append, or `NO_PRODUCER_ID`."""
    batch = producer_batch(item.append.batch)
    return NO_PRODUCER_ID if batch is None else batch.producer_id

"""Descriptions of logs for operators."""

from collections.abc import Awaitable, Callable

from common.ports.partitions import LogDescription, LogId, Refusal
from partition_svc.log.partition_log import PartitionLog
from partition_svc.store.failures import StorageFailed


class LogDescriptions:
    """Describes logs; `find` opens them."""

    def __init__(
        self,
        find: Callable[[LogId], PartitionLog | Refusal],
        *,
        count_producers: Callable[[bytes], Awaitable[int]],
        uncleanable_reason: Callable[[LogId], str],
    ) -> None:
        self._find = find
        self._count_producers = count_producers
        self._uncleanable_reason = uncleanable_reason

    async def describe(self, log_id: LogId) -> LogDescription:
        """Returns the description of a log, or a refusal if it is not served or not readable."""
        try:
            log = self._find(log_id)
            if isinstance(log, Refusal):
                return LogDescription(log_id, refusal=log)
            return LogDescription(
                log_id,
                log.log_start_offset,
                log.high_watermark,
                log.next_offset,
                log.head.size_bytes,
                log.leader_epoch,
                await self._count_producers(log.key),
                self._uncleanable_reason(log_id),
            )
        except StorageFailed:
            return LogDescription(log_id, refusal=Refusal.KAFKA_STORAGE_ERROR)

"""OffsetsForLeaderEpoch: the offset at which a leader epoch ends.

Rules of LeaderEpochFileCache.endOffsetFor of Apache Kafka. The store has an epoch from its first
batch on; a current epoch without batches counts from the end of the log.
"""

from collections.abc import Callable, Sequence

from common.ports.partitions import NO_LEADER_EPOCH, EpochEndOffset, EpochQuery, LogId, Refusal
from common.runtime.cooperative import map_cooperatively
from partition_svc.log.partition_log import PartitionLog
from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore


class EpochLookup:
    """Answers epoch queries from the store."""

    def __init__(self, find: Callable[[LogId], PartitionLog | Refusal], store: LogStore) -> None:
        self._find = find
        self._store = store

    async def look_up_all(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        return await map_cooperatively(self.look_up, queries)

    def look_up(self, query: EpochQuery) -> EpochEndOffset:
        try:
            log = self._find(query.log)
            if isinstance(log, Refusal):
                return EpochEndOffset(refusal=log)
            refusal = log.epoch_refusal(query.current_leader_epoch)
            if refusal is not None:
                return EpochEndOffset(refusal=refusal)
            return self._look_up(log, query.leader_epoch)
        except StorageFailed:
            return EpochEndOffset(refusal=Refusal.KAFKA_STORAGE_ERROR)

    def _look_up(self, log: PartitionLog, leader_epoch: int) -> EpochEndOffset:
        end = log.head.next_offset
        starts = dict(self._store.reader.epochs(log.key))
        starts.setdefault(log.leader_epoch, end)
        if leader_epoch == NO_LEADER_EPOCH or leader_epoch > log.leader_epoch:
            return EpochEndOffset()
        if leader_epoch == log.leader_epoch:
            return EpochEndOffset(leader_epoch, end)
        # The next epoch begins at the end of the requested one, or of the last one before it.
        following = min(epoch for epoch in starts if epoch > leader_epoch)
        known = max((epoch for epoch in starts if epoch <= leader_epoch), default=leader_epoch)
        return EpochEndOffset(known, starts[following])

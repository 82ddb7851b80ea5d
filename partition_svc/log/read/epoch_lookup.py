"""OffsetsForLeaderEpoch: where the batches of a leader epoch end.

Rules of LeaderEpochFileCache.endOffsetFor of Apache Kafka. An epoch is in the store from its first
batch on; the one that the log is in now counts from the end of the log as long as it has none.
"""

from collections.abc import Callable, Sequence

from common.ports.partitions import NO_LEADER_EPOCH, EpochEndOffset, EpochQuery, LogId, Refusal
from common.runtime.cooperative import map_cooperatively
from partition_svc.log.partition_log import PartitionLog
from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore


class EpochLookup:
    """Answers epoch queries; reads the store."""

    def __init__(self, find: Callable[[LogId], PartitionLog | Refusal], store: LogStore) -> None:
        self._find = find
        self._store = store

    async def answer_all(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        return await map_cooperatively(self.answer, queries)

    def answer(self, query: EpochQuery) -> EpochEndOffset:
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

    def _look_up(self, log: PartitionLog, wanted: int) -> EpochEndOffset:
        end = log.head.next_offset
        starts = dict(self._store.reader.epochs(log.key))
        starts.setdefault(log.leader_epoch, end)
        if wanted == NO_LEADER_EPOCH or wanted > log.leader_epoch:
            return EpochEndOffset()
        if wanted == log.leader_epoch:
            return EpochEndOffset(wanted, end)
        # The next one begins where the one asked for, or the last before it, ends.
        following = min(epoch for epoch in starts if epoch > wanted)
        known = max((epoch for epoch in starts if epoch <= wanted), default=wanted)
        return EpochEndOffset(known, starts[following])

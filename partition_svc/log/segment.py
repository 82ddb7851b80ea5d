"""The segment that a log is written to: where its batches go, and when it has to end.

Only compacted logs end segments by themselves, and only what is before the newest one is compacted.
All logs begin another with each generation of the store.
"""

from partition_svc.log.log_config import LogConfig
from partition_svc.log.staged_batch import StagedBatch
from partition_svc.store.atomic_write import Group
from partition_svc.store.keys import COMPACTED_BIT, batch_prefix, pack_segment, segment_key
from partition_svc.store.reading import LogReader


class Segment:
    """`prefix` is what the keys of its batches begin with. One without generation takes nothing."""

    __slots__ = ("_began_ms", "_generation", "_size_bytes", "prefix")

    def __init__(self, generation: int = -1, prefix: bytes = b"", size_bytes: int = 0) -> None:
        self.prefix = prefix
        self._generation = generation
        self._size_bytes = size_bytes
        self._began_ms = -1

    def takes(self, generation: int, staged: StagedBatch, config: LogConfig) -> bool:
        """Whether a batch belongs here still, and not to the next: LogSegment.shouldRoll of Kafka.

        `generation` is that of the store.
        """
        if not config.is_compacted:
            return self._generation == generation
        if self._generation != generation | COMPACTED_BIT:
            return False
        assert staged.batch is not None
        if self._size_bytes + len(staged.batch) > config.segment_bytes:
            return False
        return not 0 <= self._began_ms < staged.max_timestamp - config.segment_ms

    def add(self, group: Group, size_bytes: int, timestamp: int) -> None:
        """A batch goes into it, with the group."""
        self._size_bytes += size_bytes
        if self._began_ms < 0:
            self._began_ms = timestamp
        if self._generation >= COMPACTED_BIT:
            group.compacted_bytes += size_bytes

    def next(  # noqa: PLR0913 - what a segment's row is made of
        self,
        group: Group,
        reader: LogReader,
        log_key: bytes,
        *,
        generation: int,
        base_offset: int,
        bytes_before: int,
        config: LogConfig,
    ) -> "Segment":
        """The one that follows at `base_offset`; its row goes into the group.

        A log that was just opened may have one of this generation: that goes on then.
        """
        if config.is_compacted:
            # They have a column family of their own.
            generation |= COMPACTED_BIT
        prefix = batch_prefix(generation, log_key)
        if self._generation < 0:
            last_generation, before = reader.last_segment(log_key)
            if last_generation == generation:
                return Segment(generation, prefix, bytes_before - before)
        group.put(segment_key(log_key, base_offset), pack_segment(generation, bytes_before))
        return Segment(generation, prefix)

"""The segment that a log appends to: the key prefix of its batches, and when the segment ends.

Every log begins a segment with each generation of the store. Only compacted logs also end segments
by size and age, because only what is before the newest segment is compacted.
"""

from partition_svc.log.log_config import LogConfig
from partition_svc.log.staged_batch import StagedBatch
from partition_svc.store.atomic_write import AtomicWrite
from partition_svc.store.keys import COMPACTED_BIT, batch_prefix, pack_segment, segment_key
from partition_svc.store.reading import LogReader


class Segment:
    """A run of batches whose keys begin with `prefix`. Without a generation it accepts none."""

    __slots__ = ("_first_timestamp", "_generation", "_size_bytes", "prefix")

    def __init__(self, generation: int = -1, prefix: bytes = b"", size_bytes: int = 0) -> None:
        self.prefix = prefix
        self._generation = generation
        self._size_bytes = size_bytes
        self._first_timestamp = -1

    def accepts(self, generation: int, staged: StagedBatch, config: LogConfig) -> bool:
        """True if a batch belongs to this segment, not to the next (Kafka's LogSegment.shouldRoll).

        `generation` is the current one of the store.
        """
        if not config.is_compacted:
            return self._generation == generation
        if self._generation != generation | COMPACTED_BIT:
            return False
        assert staged.batch is not None, "markers have nothing to be stored"
        if self._size_bytes + len(staged.batch) > config.segment_bytes:
            return False
        return not 0 <= self._first_timestamp < staged.max_timestamp - config.segment_ms

    def add(self, changes: AtomicWrite, size_bytes: int, timestamp: int) -> None:
        """Counts batches that are part of `changes`."""
        self._size_bytes += size_bytes
        if self._first_timestamp < 0:
            self._first_timestamp = timestamp
        if self._generation >= COMPACTED_BIT:
            changes.compacted_bytes += size_bytes

    def next(  # noqa: PLR0913 - the values of a segment's row
        self,
        changes: AtomicWrite,
        reader: LogReader,
        log_key: bytes,
        *,
        generation: int,
        base_offset: int,
        bytes_before: int,
        config: LogConfig,
    ) -> "Segment":
        """Returns the following segment, which begins at `base_offset`; adds its row to `changes`.

        A log that was just opened continues its last segment if that is of this generation.
        """
        if config.is_compacted:
            # Compacted batches have a column family of their own.
            generation |= COMPACTED_BIT
        prefix = batch_prefix(generation, log_key)
        if self._generation < 0:
            last_generation, before = reader.last_segment(log_key)
            if last_generation == generation:
                return Segment(generation, prefix, bytes_before - before)
        changes.put(segment_key(log_key, base_offset), pack_segment(generation, bytes_before))
        return Segment(generation, prefix)

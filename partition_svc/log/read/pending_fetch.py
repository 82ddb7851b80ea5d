"""A fetch under way: the results read so far, and the limits of what is still to be read."""

from typing import NamedTuple

from common.ports.partitions import FetchQuery, FetchResult, LogId
from partition_svc.log.partition_log import PartitionLog
from partition_svc.store.reading import ReadLimits


class PartitionRead(NamedTuple):
    """The result of one partition.

    `log` is None if the partition was refused. `has_more` is True if limits cut the result short.
    """

    result: FetchResult
    log: PartitionLog | None = None
    size_bytes: int = 0
    has_more: bool = False


class PendingFetch:
    """One fetch, with a read for each of its partitions so far."""

    __slots__ = (
        "_min_bytes",
        "budget",
        "bytes_max",
        "end_of_wait",
        "first",
        "must_respond",
        "partitions",
        "reads",
        "size_bytes",
    )

    def __init__(self, query: FetchQuery, bytes_max: int) -> None:
        self.partitions = query.partitions
        self.budget = query.budget
        self.end_of_wait = query.end_of_wait
        self.bytes_max = bytes_max
        self.reads: list[PartitionRead] = []
        self.size_bytes = 0
        #: True if waiting is not allowed, or would add nothing.
        self.must_respond = not query.partitions
        #: The position of each log; a partition that is listed twice is read once.
        self.first: dict[LogId, int] = {}
        self._min_bytes = min(query.min_bytes, bytes_max)

    @property
    def is_wait_ended(self) -> bool:
        """True if the caller has ended the wait."""
        return self.end_of_wait is not None and self.end_of_wait.done()

    @property
    def missing_bytes(self) -> int:
        """Bytes that are missing for `min_bytes`; not positive once there are enough."""
        return self._min_bytes - self.size_bytes

    def limits(self, position: int, others_bytes: int) -> ReadLimits:
        """Returns how much to read of a partition, if the others have `others_bytes`.

        The first batch of a fetch may exceed the limit (KIP-74).
        """
        room = min(self.partitions[position].max_bytes, self.bytes_max - others_bytes)
        return ReadLimits(room, room, not others_bytes)

    def add(self, read: PartitionRead) -> None:
        self.reads.append(read)
        self._count(read)

    def replace(self, position: int, read: PartitionRead) -> None:
        self.size_bytes -= self.reads[position].size_bytes
        self.reads[position] = read
        self._count(read)

    def _count(self, read: PartitionRead) -> None:
        self.size_bytes += read.size_bytes
        if read.has_more or read.result.refusal is not None:
            self.must_respond = True

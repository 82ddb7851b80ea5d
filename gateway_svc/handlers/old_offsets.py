"""Offsets as ListOffsets version 0 answers them: newest first, at most so many (S-44).

Kafka 0.8 listed the first offsets of log segments that were last written before some time. Here a
log is one segment: its start, and its end where the end is asked for.
"""

from collections.abc import Sequence
from dataclasses import replace

from common.ports.partitions import (
    EARLIEST_TIMESTAMP,
    LATEST_TIMESTAMP,
    OffsetQuery,
    OffsetResult,
    Partitions,
)


async def old_style_offsets(
    asked: Sequence[tuple[OffsetQuery, int]], partitions: Partitions
) -> list[list[int] | OffsetResult]:
    """For each query and its largest count: the offsets, or the result that refuses them.

    Raises:
        BackendUnavailable: an owner does not answer.
    """
    queries = [query for query, _ in asked]
    found = await partitions.list_offsets(queries)
    starts = await partitions.list_offsets(
        [replace(query, timestamp=EARLIEST_TIMESTAMP) for query in queries]
    )
    ends = await partitions.list_offsets(
        [replace(query, timestamp=LATEST_TIMESTAMP) for query in queries]
    )
    return [
        _offsets(query, count, results)
        for (query, count), results in zip(
            asked, zip(found, starts, ends, strict=True), strict=True
        )
    ]


def _offsets(
    query: OffsetQuery, count: int, results: tuple[OffsetResult, OffsetResult, OffsetResult]
) -> list[int] | OffsetResult:
    for result in results:
        if result.refusal is not None:
            return result
    found, start, end = results
    # No record is as young as the time asked for: everything was written before it.
    newest = end if query.timestamp >= 0 and found.offset < 0 else found
    # A set: start and end of an empty log are the same offset.
    offsets = sorted({newest.offset, start.offset}, reverse=True)
    return offsets[: max(count, 0)]

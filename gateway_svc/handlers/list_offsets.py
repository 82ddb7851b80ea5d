"""ListOffsets: the offset of a partition's start, its end, or a timestamp.

Version 0 requests several offsets before a time, newest first: in Apache Kafka these are the base
offsets of segments. Here the first is the offset of later versions, the last the log's start.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from common.ports.partitions import (
    EARLIEST_TIMESTAMP,
    LATEST_TIMESTAMP,
    MAX_TIMESTAMP,
    OffsetQuery,
    OffsetResult,
)
from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import PARTITION_ERRORS
from gateway_svc.dispatch.lookup import resolve_partition
from gateway_svc.wire.apis.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
    ListOffsetsTopicResponse,
)
from gateway_svc.wire.error_code import ErrorCode

#: Timestamps with a meaning for tiered storage (KIP-405, KIP-1005, KIP-1023).
_EARLIEST_LOCAL: Final = -4
_LATEST_TIERED: Final = -5
_EARLIEST_PENDING_UPLOAD: Final = -6

#: First version of each special timestamp.
_SPECIAL_SINCE: Final = {
    LATEST_TIMESTAMP: 0,
    EARLIEST_TIMESTAMP: 0,
    MAX_TIMESTAMP: 7,
    _EARLIEST_LOCAL: 8,
    _LATEST_TIERED: 9,
    _EARLIEST_PENDING_UPLOAD: 11,
}
#: Special timestamps without an offset, because nothing is tiered; that is no error.
_TIERED: Final = (_LATEST_TIERED, _EARLIEST_PENDING_UPLOAD)

_READ_COMMITTED: Final = 1


class _RequestedOffset(NamedTuple):
    """One requested partition and the queries to its log; none if the result is known already."""

    partition: ListOffsetsPartition
    queries: list[OffsetQuery]
    error_code: ErrorCode = ErrorCode.NONE


async def list_offsets(request: ListOffsetsRequest, context: RequestContext) -> ListOffsetsResponse:
    repeated = _repeated(request)
    requested = [
        [
            _requested(topic, partition, request, context, repeated)
            for partition in _distinct(topic.partitions)
        ]
        for topic in request.topics
    ]
    queries = [query for topic in requested for partition in topic for query in partition.queries]
    try:
        results = iter(await context.backends.partitions.list_offsets(queries) if queries else [])
    except BackendUnavailable:
        return LIST_OFFSETS.refuse(request, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name,
                partitions=[_result(partition, results) for partition in partitions],
            )
            for topic, partitions in zip(request.topics, requested, strict=True)
        ]
    )


def _distinct(partitions: Iterable[ListOffsetsPartition]) -> Iterable[ListOffsetsPartition]:
    """Returns the first request of each partition."""
    first: dict[int, ListOffsetsPartition] = {}
    for partition in partitions:
        first.setdefault(partition.partition_index, partition)
    return first.values()


def _repeated(request: ListOffsetsRequest) -> set[tuple[str, int]]:
    """Partitions requested more than once, which are refused as in Apache Kafka."""
    times = Counter(
        (topic.name, partition.partition_index)
        for topic in request.topics
        for partition in topic.partitions
    )
    return {partition for partition, count in times.items() if count > 1}


def _requested(
    topic: ListOffsetsTopic,
    partition: ListOffsetsPartition,
    request: ListOffsetsRequest,
    context: RequestContext,
    repeated: set[tuple[str, int]],
) -> _RequestedOffset:
    if (topic.name, partition.partition_index) in repeated:
        return _RequestedOffset(partition, [], ErrorCode.INVALID_REQUEST)
    if partition.timestamp < 0 and context.api_version < _SPECIAL_SINCE.get(
        partition.timestamp, 2**15
    ):
        return _RequestedOffset(partition, [], ErrorCode.UNSUPPORTED_VERSION)
    found = resolve_partition(context.backends.view, topic.name, partition.partition_index)
    if isinstance(found, ErrorCode):
        return _RequestedOffset(partition, [], found)
    if partition.timestamp in _TIERED:
        return _RequestedOffset(partition, [])
    times = [EARLIEST_TIMESTAMP if partition.timestamp == _EARLIEST_LOCAL else partition.timestamp]
    if context.api_version == 0:
        times += [LATEST_TIMESTAMP, EARLIEST_TIMESTAMP]
    return _RequestedOffset(
        partition,
        [
            OffsetQuery(
                log=found.log,
                timestamp=time,
                leader_epoch=partition.current_leader_epoch,
                read_committed=request.isolation_level == _READ_COMMITTED,
            )
            for time in times
        ],
    )


def _result(
    requested: _RequestedOffset, results: Iterator[OffsetResult]
) -> ListOffsetsPartitionResponse:
    """Consumes the results of the partition's queries."""
    index = requested.partition.partition_index
    if not requested.queries:
        return ListOffsetsPartitionResponse(partition_index=index, error_code=requested.error_code)
    found, *ends = islice(results, len(requested.queries))
    for result in (found, *ends):
        if result.refusal is not None:
            return ListOffsetsPartitionResponse(
                partition_index=index, error_code=PARTITION_ERRORS[result.refusal]
            )
    return ListOffsetsPartitionResponse(
        partition_index=index,
        old_style_offsets=_old_style(found, ends, requested.partition.max_num_offsets),
        timestamp=found.timestamp,
        offset=found.offset,
        leader_epoch=found.leader_epoch,
    )


def _old_style(found: OffsetResult, ends: list[OffsetResult], count_max: int) -> list[int]:
    if not ends:
        return []
    latest, earliest = ends
    newest = latest.offset if found.offset < 0 else found.offset
    return list(dict.fromkeys((newest, earliest.offset)))[: max(0, count_max)]

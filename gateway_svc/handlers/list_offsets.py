"""ListOffsets: the offset of a partition's start, its end, or a time.

Version 0 asks for up to so many offsets before a time, newest first: in Apache Kafka those are
where segment files begin. Here the first is what later versions answer, the last the log's start.
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

#: Since which version a negative timestamp has its meaning.
_MEANT_SINCE: Final = {
    LATEST_TIMESTAMP: 0,
    EARLIEST_TIMESTAMP: 0,
    MAX_TIMESTAMP: 7,
    _EARLIEST_LOCAL: 8,
    _LATEST_TIERED: 9,
    _EARLIEST_PENDING_UPLOAD: 11,
}
#: Nothing is tiered: there is no such offset, which is no error.
_NEVER_THERE: Final = (_LATEST_TIERED, _EARLIEST_PENDING_UPLOAD)

_READ_COMMITTED: Final = 1


class _Asked(NamedTuple):
    """One partition asked for, and what its log is asked; nothing where the answer is clear."""

    partition: ListOffsetsPartition
    queries: list[OffsetQuery]
    error_code: ErrorCode = ErrorCode.NONE


async def list_offsets(request: ListOffsetsRequest, context: RequestContext) -> ListOffsetsResponse:
    repeated = _repeated(request)
    asked = [
        [_asked(topic, one, request, context, repeated) for one in _once(topic.partitions)]
        for topic in request.topics
    ]
    queries = [query for topic in asked for one in topic for query in one.queries]
    try:
        results = iter(await context.backends.partitions.list_offsets(queries) if queries else [])
    except BackendUnavailable:
        return LIST_OFFSETS.refuse(request, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name, partitions=[_answer(one, results) for one in partitions]
            )
            for topic, partitions in zip(request.topics, asked, strict=True)
        ]
    )


def _once(partitions: Iterable[ListOffsetsPartition]) -> Iterable[ListOffsetsPartition]:
    """Each partition as it is asked for first."""
    first: dict[int, ListOffsetsPartition] = {}
    for one in partitions:
        first.setdefault(one.partition_index, one)
    return first.values()


def _repeated(request: ListOffsetsRequest) -> set[tuple[str, int]]:
    """Partitions that are asked for more than once, all of which is refused, as by Kafka."""
    times = Counter(
        (topic.name, one.partition_index) for topic in request.topics for one in topic.partitions
    )
    return {partition for partition, count in times.items() if count > 1}


def _asked(
    topic: ListOffsetsTopic,
    one: ListOffsetsPartition,
    request: ListOffsetsRequest,
    context: RequestContext,
    repeated: set[tuple[str, int]],
) -> _Asked:
    if (topic.name, one.partition_index) in repeated:
        return _Asked(one, [], ErrorCode.INVALID_REQUEST)
    if one.timestamp < 0 and context.api_version < _MEANT_SINCE.get(one.timestamp, 2**15):
        return _Asked(one, [], ErrorCode.UNSUPPORTED_VERSION)
    found = resolve_partition(context.backends.view, topic.name, one.partition_index)
    if isinstance(found, ErrorCode):
        return _Asked(one, [], found)
    if one.timestamp in _NEVER_THERE:
        return _Asked(one, [])
    times = [EARLIEST_TIMESTAMP if one.timestamp == _EARLIEST_LOCAL else one.timestamp]
    if context.api_version == 0:
        times += [LATEST_TIMESTAMP, EARLIEST_TIMESTAMP]
    return _Asked(
        one,
        [
            OffsetQuery(
                log=found.log,
                timestamp=time,
                leader_epoch=one.current_leader_epoch,
                read_committed=request.isolation_level == _READ_COMMITTED,
            )
            for time in times
        ],
    )


def _answer(asked: _Asked, results: Iterator[OffsetResult]) -> ListOffsetsPartitionResponse:
    """Takes as many `results` as were asked for."""
    index = asked.partition.partition_index
    if not asked.queries:
        return ListOffsetsPartitionResponse(partition_index=index, error_code=asked.error_code)
    found, *ends = islice(results, len(asked.queries))
    for one in (found, *ends):
        if one.refusal is not None:
            return ListOffsetsPartitionResponse(
                partition_index=index, error_code=PARTITION_ERRORS[one.refusal]
            )
    return ListOffsetsPartitionResponse(
        partition_index=index,
        old_style_offsets=_old_style(found, ends, asked.partition.max_num_offsets),
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

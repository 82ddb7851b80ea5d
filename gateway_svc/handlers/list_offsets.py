"""ListOffsets: where a partition starts and ends, and which record was written at some time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from common.ports.partitions import (
    EARLIEST_TIMESTAMP,
    LATEST_TIMESTAMP,
    MAX_TIMESTAMP,
    LogId,
    OffsetQuery,
    OffsetResult,
)
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.error_mapping import PARTITION_ERRORS
from gateway_svc.handlers.old_offsets import old_style_offsets
from gateway_svc.wire.apis.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from gateway_svc.wire.error_code import ErrorCode

#: A place in the request: topic name and partition.
_Place = tuple[str, int]

#: Version 0 answers an array of offsets (S-44).
_OLD_VERSION: Final = 0
_READ_COMMITTED: Final = 1

_EARLIEST_LOCAL_TIMESTAMP: Final = -4
_LATEST_TIERED_TIMESTAMP: Final = -5
_EARLIEST_PENDING_UPLOAD_TIMESTAMP: Final = -6

#: The first version that knows each special timestamp (ListOffsetsRequest.java).
_KNOWN_SINCE: Final[Mapping[int, int]] = {
    LATEST_TIMESTAMP: 0,
    EARLIEST_TIMESTAMP: 0,
    MAX_TIMESTAMP: 7,
    _EARLIEST_LOCAL_TIMESTAMP: 8,
    _LATEST_TIERED_TIMESTAMP: 9,
    _EARLIEST_PENDING_UPLOAD_TIMESTAMP: 11,
}
#: Nothing is in tiered storage, so these have no answer, which is no error (S-41).
_WITHOUT_ANSWER: Final = (_LATEST_TIERED_TIMESTAMP, _EARLIEST_PENDING_UPLOAD_TIMESTAMP)


async def list_offsets(request: ListOffsetsRequest, call: Call) -> ListOffsetsResponse:
    asked = [(topic.name, one) for topic in request.topics for one in topic.partitions]
    twice = _twice([(name, one.partition_index) for name, one in asked])
    answers: dict[int, ListOffsetsPartitionResponse] = {}
    queries: dict[int, OffsetQuery] = {}
    for place, (name, one) in enumerate(asked):
        decided = _without_asking(name, one, twice, call)
        if isinstance(decided, LogId):
            queries[place] = _query(request, one, decided)
        else:
            answers[place] = decided
    results = await _look_up([one for _, one in asked], queries, call)
    in_order = iter([(answers | results)[place] for place in range(len(asked))])
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name, partitions=[next(in_order) for _ in topic.partitions]
            )
            for topic in request.topics
        ]
    )


def _twice(places: Sequence[_Place]) -> set[_Place]:
    return {place for place, count in Counter(places).items() if count > 1}


def _without_asking(
    name: str, asked: ListOffsetsPartition, twice: set[_Place], call: Call
) -> LogId | ListOffsetsPartitionResponse:
    """The log to ask, or the answer where none needs to be asked."""
    index, timestamp = asked.partition_index, asked.timestamp
    topic = call.backends.view.topic(name)
    if (name, index) in twice:
        return _failed(index, ErrorCode.INVALID_REQUEST)
    if topic is None or not 0 <= index < len(topic.partitions):
        return _failed(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if timestamp < 0 and call.api_version < _KNOWN_SINCE.get(timestamp, call.api_version + 1):
        return _failed(index, ErrorCode.UNSUPPORTED_VERSION)
    if timestamp in _WITHOUT_ANSWER:
        return ListOffsetsPartitionResponse(partition_index=index)
    return LogId(topic.topic_id, index)


def _query(request: ListOffsetsRequest, asked: ListOffsetsPartition, log: LogId) -> OffsetQuery:
    is_start = asked.timestamp == _EARLIEST_LOCAL_TIMESTAMP
    return OffsetQuery(
        log=log,
        timestamp=EARLIEST_TIMESTAMP if is_start else asked.timestamp,
        leader_epoch=asked.current_leader_epoch,
        read_committed=request.isolation_level == _READ_COMMITTED,
    )


async def _look_up(
    asked: Sequence[ListOffsetsPartition], queries: Mapping[int, OffsetQuery], call: Call
) -> dict[int, ListOffsetsPartitionResponse]:
    """Answers by place for the places that have a query."""
    if not queries:
        return {}
    try:
        if call.api_version == _OLD_VERSION:
            old = await old_style_offsets(
                [(query, asked[place].max_num_offsets) for place, query in queries.items()],
                call.backends.partitions,
            )
            return {
                place: _old_answer(asked[place].partition_index, one)
                for place, one in zip(queries, old, strict=True)
            }
        found = await call.backends.partitions.list_offsets(list(queries.values()))
    except BackendUnavailable:
        # Retriable: the client refreshes its metadata, and by then the owner may be back.
        lost = ErrorCode.NOT_LEADER_OR_FOLLOWER
        return {place: _failed(asked[place].partition_index, lost) for place in queries}
    return {
        place: _answer(asked[place].partition_index, one)
        for place, one in zip(queries, found, strict=True)
    }


def _answer(partition_index: int, result: OffsetResult) -> ListOffsetsPartitionResponse:
    if result.refusal is not None:
        return _failed(partition_index, PARTITION_ERRORS[result.refusal])
    return ListOffsetsPartitionResponse(
        partition_index=partition_index,
        timestamp=result.timestamp,
        offset=result.offset,
        leader_epoch=result.leader_epoch,
    )


def _old_answer(
    partition_index: int, found: list[int] | OffsetResult
) -> ListOffsetsPartitionResponse:
    if isinstance(found, OffsetResult):
        return _answer(partition_index, found)
    return ListOffsetsPartitionResponse(partition_index=partition_index, old_style_offsets=found)


def _failed(partition_index: int, error_code: ErrorCode) -> ListOffsetsPartitionResponse:
    return ListOffsetsPartitionResponse(partition_index=partition_index, error_code=error_code)

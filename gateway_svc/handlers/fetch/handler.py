"""Fetch: a long poll over partitions, answered with whole batches as they lie in the log.

No session is ever made: each request stands for itself and is told so by session id 0 (KIP-227).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from common.ports.partitions import FetchPartition, FetchQuery, FetchResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from common.records.errors import CorruptRecords, UnsupportedRecords
from gateway_svc.cluster.current_leaders import CurrentLeaders
from gateway_svc.cluster.rack_routing import PreferredReplica, preferred_replica
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import PARTITION_ERRORS
from gateway_svc.handlers.fetch.divergence import compared
from gateway_svc.handlers.fetch.partitions import Asked, asked_partitions, lost
from gateway_svc.handlers.fetch.records import records_for
from gateway_svc.wire.apis.fetch import (
    AbortedTransaction,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
)
from gateway_svc.wire.error_code import ErrorCode

_READ_COMMITTED: Final = 1

#: Session epochs of requests that ask for everything: to have no session, or to begin one.
_FULL_EPOCHS: Final = (-1, 0)

#: Answered with who the leader is and since when (KIP-951).
_UNKNOWN: Final = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID)
_LEADER_ERRORS: Final = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)


async def fetch(request: FetchRequest, context: RequestContext) -> FetchResponse:
    if request.session_epoch not in _FULL_EPOCHS:
        return FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses=[])
    asked = asked_partitions(request, context)
    if (preferred := preferred_replica(request.rack_id, context)) is not None:
        return await _sent_elsewhere(asked, preferred)
    with context.backends.response_budget.reserve(
        _bytes_wanted(request, asked, context)
    ) as max_bytes:
        try:
            asked = await compared(asked, context)
            results = await _poll(_query(request, asked, max_bytes, context), context)
        except BackendUnavailable:
            # Retriable: the client refreshes its metadata, and by then the owner may be back.
            asked = [lost(one) for one in asked]
            results = []
        return await _response(asked, results, context)


async def _sent_elsewhere(asked: list[Asked], preferred: PreferredReplica) -> FetchResponse:
    try:
        found = iter(await preferred.redirect([one.log for one in asked if one.log is not None]))
    except BackendUnavailable:
        asked = [lost(one) for one in asked]
        found = iter(())
    return FetchResponse(
        responses=_by_topic(
            (one, _failed(one, one.error_code) if one.log is None else next(found)) for one in asked
        )
    )


def _bytes_wanted(request: FetchRequest, asked: Sequence[Asked], context: RequestContext) -> int:
    in_partitions = sum(max(0, one.partition.partition_max_bytes) for one in asked)
    limit = context.backends.settings.fetch_max_bytes
    return max(0, min(request.max_bytes, limit, in_partitions))


def _query(
    request: FetchRequest, asked: Sequence[Asked], max_bytes: int, context: RequestContext
) -> FetchQuery:
    settings = context.backends.settings
    # An error is told at once, and nobody waits longer than a silent client may be idle.
    told = any(one.log is None or one.diverging is not None for one in asked)
    waits = not told and not context.backends.long_polls.is_closed
    max_wait_ms = min(request.max_wait_ms, settings.connections_max_idle_ms) if waits else 0
    return FetchQuery(
        partitions=[
            FetchPartition(
                log=one.log,
                fetch_offset=one.partition.fetch_offset,
                max_bytes=one.partition.partition_max_bytes,
                leader_epoch=one.partition.current_leader_epoch,
            )
            for one in asked
            if one.log is not None
        ],
        max_wait_ms=max(0, max_wait_ms),
        min_bytes=min(request.min_bytes, max_bytes),
        max_bytes=max_bytes,
        read_committed=request.isolation_level == _READ_COMMITTED,
    )


async def _poll(query: FetchQuery, context: RequestContext) -> list[FetchResult]:
    if not query.partitions:
        return []
    partitions = context.backends.partitions
    results = await context.backends.long_polls.wait(partitions.fetch(query))
    if results is None:
        # The gateway is about to stop: what is there now is the answer.
        query.max_wait_ms = 0
        results = await partitions.fetch(query)
    return results


async def _response(
    asked: Sequence[Asked], results: Sequence[FetchResult], context: RequestContext
) -> FetchResponse:
    leaders = CurrentLeaders(context)
    remaining = iter(results)
    answers = [
        (
            one,
            _unknown(one)
            if one.log is None
            else await _partition(one, one.log, next(remaining), context, leaders),
        )
        for one in asked
    ]
    return FetchResponse(
        responses=_by_topic(answers),
        node_endpoints=[
            NodeEndpoint(node_id=one.node_id, host=one.host, port=one.port, rack=one.rack)
            for one in leaders.endpoints.values()
        ],
    )


def _by_topic(answers: Iterable[tuple[Asked, PartitionData]]) -> list[FetchableTopicResponse]:
    topics: dict[tuple[str, bytes], list[PartitionData]] = {}
    for asked, data in answers:
        topics.setdefault((asked.topic.topic, asked.topic.topic_id), []).append(data)
    return [
        FetchableTopicResponse(topic=name, topic_id=topic_id, partitions=partitions)
        for (name, topic_id), partitions in topics.items()
    ]


async def _partition(
    asked: Asked,
    log_id: LogId,
    result: FetchResult,
    context: RequestContext,
    leaders: CurrentLeaders,
) -> PartitionData:
    # Who has more than the log ever had finds out where it parted, and no error.
    past_the_end = asked.diverging and result.refusal is Refusal.OFFSET_OUT_OF_RANGE
    if result.refusal is not None and not past_the_end:
        return _refused(asked, log_id, result, leaders, PARTITION_ERRORS[result.refusal])
    try:
        records = await records_for(
            context.api_version,
            result.records if asked.diverging is None else [],
            fetch_offset=asked.partition.fetch_offset,
            conversions=context.backends.conversions,
        )
    except UnsupportedRecords:
        return _failed(asked, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    except CorruptRecords:
        return _failed(asked, ErrorCode.CORRUPT_MESSAGE)
    return PartitionData(
        partition_index=asked.partition.partition,
        high_watermark=result.high_watermark,
        last_stable_offset=result.last_stable_offset,
        log_start_offset=result.log_start_offset,
        diverging_epoch=asked.diverging,
        aborted_transactions=None
        if result.aborted is None
        else [
            AbortedTransaction(producer_id=one.producer_id, first_offset=one.first_offset)
            for one in result.aborted
        ],
        records=records,
    )


def _refused(
    asked: Asked, log_id: LogId, result: FetchResult, leaders: CurrentLeaders, error_code: ErrorCode
) -> PartitionData:
    if error_code not in _LEADER_ERRORS:
        return _failed(asked, error_code)
    leader_id, epoch = leaders.leader_of(log_id, result.leader_epoch)
    return PartitionData(
        partition_index=asked.partition.partition,
        error_code=error_code,
        current_leader=LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=epoch),
    )


def _unknown(asked: Asked) -> PartitionData:
    """A partition that no log was asked about."""
    return PartitionData(
        partition_index=asked.partition.partition,
        error_code=asked.error_code,
        # What KafkaApis answers for these errors, and None for others.
        aborted_transactions=[] if asked.error_code in _UNKNOWN else None,
    )


def _failed(asked: Asked, error_code: ErrorCode) -> PartitionData:
    return PartitionData(partition_index=asked.partition.partition, error_code=error_code)

"""Fetch: a long poll over partitions that returns whole batches as they are stored.

Fetch sessions are not used: every response has session id 0, so each request is complete (KIP-227).
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
from gateway_svc.handlers.fetch.divergence import detect_divergence
from gateway_svc.handlers.fetch.partitions import (
    RequestedPartition,
    as_unavailable,
    requested_partitions,
)
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

#: Session epochs of full requests: without a session, or beginning one.
_FULL_EPOCHS: Final = (-1, 0)

_UNKNOWN: Final = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID)
#: Errors with the current leader and its epoch in the response (KIP-951).
_LEADER_ERRORS: Final = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)


async def fetch(request: FetchRequest, context: RequestContext) -> FetchResponse:
    if request.session_epoch not in _FULL_EPOCHS:
        return FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND, responses=[])
    requested = requested_partitions(request, context)
    if (preferred := preferred_replica(request.rack_id, context)) is not None:
        return await _redirect(requested, preferred)
    requested_bytes = _requested_bytes(request, requested, context)
    with context.backends.response_budget.reserve(requested_bytes) as max_bytes:
        try:
            requested = await detect_divergence(requested, context)
            results = await _poll(_query(request, requested, max_bytes, context), context)
        except BackendUnavailable:
            # Retriable: the client refreshes its metadata, and by then the owner may be back.
            requested = [as_unavailable(partition) for partition in requested]
            results = []
        return await _response(requested, results, context)


async def _redirect(
    requested: list[RequestedPartition], preferred: PreferredReplica
) -> FetchResponse:
    try:
        found = iter(
            await preferred.redirect(
                [partition.log for partition in requested if partition.log is not None]
            )
        )
    except BackendUnavailable:
        requested = [as_unavailable(partition) for partition in requested]
        found = iter(())
    return FetchResponse(
        responses=_by_topic(
            (
                partition,
                _failed(partition, partition.error_code) if partition.log is None else next(found),
            )
            for partition in requested
        )
    )


def _requested_bytes(
    request: FetchRequest, requested: Sequence[RequestedPartition], context: RequestContext
) -> int:
    in_partitions = sum(max(0, partition.request.partition_max_bytes) for partition in requested)
    limit = context.backends.settings.fetch_max_bytes
    return max(0, min(request.max_bytes, limit, in_partitions))


def _query(
    request: FetchRequest,
    requested: Sequence[RequestedPartition],
    max_bytes: int,
    context: RequestContext,
) -> FetchQuery:
    settings = context.backends.settings
    # An error is returned at once, and no request waits longer than a connection may be idle.
    has_error = any(
        partition.log is None or partition.diverging is not None for partition in requested
    )
    waits = not has_error and not context.backends.long_polls.is_closed
    max_wait_ms = min(request.max_wait_ms, settings.connections_max_idle_ms) if waits else 0
    return FetchQuery(
        partitions=[
            FetchPartition(
                log=partition.log,
                fetch_offset=partition.request.fetch_offset,
                max_bytes=partition.request.partition_max_bytes,
                leader_epoch=partition.request.current_leader_epoch,
            )
            for partition in requested
            if partition.log is not None
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
        # The gateway is stopping: responds with the records that exist now.
        query.max_wait_ms = 0
        results = await partitions.fetch(query)
    return results


async def _response(
    requested: Sequence[RequestedPartition], results: Sequence[FetchResult], context: RequestContext
) -> FetchResponse:
    leaders = CurrentLeaders(context)
    remaining = iter(results)
    partitions = [
        (
            partition,
            _unknown(partition)
            if partition.log is None
            else await _partition(partition, partition.log, next(remaining), context, leaders),
        )
        for partition in requested
    ]
    return FetchResponse(
        responses=_by_topic(partitions),
        node_endpoints=[
            NodeEndpoint(
                node_id=broker.node_id, host=broker.host, port=broker.port, rack=broker.rack
            )
            for broker in leaders.endpoints.values()
        ],
    )


def _by_topic(
    partitions: Iterable[tuple[RequestedPartition, PartitionData]],
) -> list[FetchableTopicResponse]:
    topics: dict[tuple[str, bytes], list[PartitionData]] = {}
    for requested, data in partitions:
        topics.setdefault((requested.topic.topic, requested.topic.topic_id), []).append(data)
    return [
        FetchableTopicResponse(topic=name, topic_id=topic_id, partitions=partitions)
        for (name, topic_id), partitions in topics.items()
    ]


async def _partition(
    requested: RequestedPartition,
    log_id: LogId,
    result: FetchResult,
    context: RequestContext,
    leaders: CurrentLeaders,
) -> PartitionData:
    # A reader beyond the end of the log gets the diverging offset and no error.
    past_the_end = requested.diverging and result.refusal is Refusal.OFFSET_OUT_OF_RANGE
    if result.refusal is not None and not past_the_end:
        return _refused(requested, log_id, result, leaders, PARTITION_ERRORS[result.refusal])
    try:
        records = await records_for(
            context.api_version,
            result.records if requested.diverging is None else [],
            fetch_offset=requested.request.fetch_offset,
            conversions=context.backends.conversions,
        )
    except UnsupportedRecords:
        return _failed(requested, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    except CorruptRecords:
        return _failed(requested, ErrorCode.CORRUPT_MESSAGE)
    return PartitionData(
        partition_index=requested.request.partition,
        high_watermark=result.high_watermark,
        last_stable_offset=result.last_stable_offset,
        log_start_offset=result.log_start_offset,
        diverging_epoch=requested.diverging,
        aborted_transactions=None
        if result.aborted is None
        else [
            AbortedTransaction(producer_id=aborted.producer_id, first_offset=aborted.first_offset)
            for aborted in result.aborted
        ],
        records=records,
    )


def _refused(
    requested: RequestedPartition,
    log_id: LogId,
    result: FetchResult,
    leaders: CurrentLeaders,
    error_code: ErrorCode,
) -> PartitionData:
    if error_code not in _LEADER_ERRORS:
        return _failed(requested, error_code)
    leader_id, epoch = leaders.leader_of(log_id, result.leader_epoch)
    return PartitionData(
        partition_index=requested.request.partition,
        error_code=error_code,
        current_leader=LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=epoch),
    )


def _unknown(requested: RequestedPartition) -> PartitionData:
    """The response for a partition that does not exist."""
    return PartitionData(
        partition_index=requested.request.partition,
        error_code=requested.error_code,
        # KafkaApis responds with an empty list for these errors, and null for others.
        aborted_transactions=[] if requested.error_code in _UNKNOWN else None,
    )


def _failed(requested: RequestedPartition, error_code: ErrorCode) -> PartitionData:
    return PartitionData(partition_index=requested.request.partition, error_code=error_code)

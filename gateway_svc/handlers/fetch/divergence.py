"""Detection of divergence between the log and the reader's copy of it (KIP-595).

From Fetch version 12 on, followers and other readers that copy logs send the epoch of their last
record. If the log has diverged from it, the response names the diverging offset and has no records.
"""

from common.ports.partitions import NO_LEADER_EPOCH, EpochQuery
from common.ports.partitions import EpochEndOffset as EpochEnd
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import PARTITION_ERRORS
from gateway_svc.handlers.fetch.partitions import RequestedPartition
from gateway_svc.wire.apis.fetch import EpochEndOffset
from gateway_svc.wire.error_code import ErrorCode


async def detect_divergence(
    requested: list[RequestedPartition], context: RequestContext
) -> list[RequestedPartition]:
    """Returns the partitions with the diverging epoch, or with the error of looking for it.

    Raises:
        BackendUnavailable: an owner does not respond.
    """
    queries = [
        EpochQuery(
            partition.log,
            partition.request.last_fetched_epoch,
            partition.request.current_leader_epoch,
        )
        for partition in requested
        if partition.log is not None and _has_fetched_epoch(partition)
    ]
    if not queries:
        return requested
    ends = iter(await context.backends.partitions.epoch_end_offsets(queries))
    return [
        _compare(partition, next(ends))
        if partition.log is not None and _has_fetched_epoch(partition)
        else partition
        for partition in requested
    ]


def _has_fetched_epoch(requested: RequestedPartition) -> bool:
    return requested.request.last_fetched_epoch != NO_LEADER_EPOCH


def _compare(requested: RequestedPartition, end: EpochEnd) -> RequestedPartition:
    """Applies the rule of Partition.readRecords of Apache Kafka."""
    if end.refusal is not None:
        return requested._replace(log=None, error_code=PARTITION_ERRORS[end.refusal])
    if end.leader_epoch == NO_LEADER_EPOCH or end.end_offset < 0:
        return requested._replace(log=None, error_code=ErrorCode.OFFSET_OUT_OF_RANGE)
    last, offset = requested.request.last_fetched_epoch, requested.request.fetch_offset
    if end.leader_epoch < last or end.end_offset < offset:
        diverging = EpochEndOffset(epoch=end.leader_epoch, end_offset=end.end_offset)
        return requested._replace(diverging=diverging)
    return requested

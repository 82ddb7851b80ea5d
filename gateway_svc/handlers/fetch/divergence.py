"""Whether what a reader has already is what the log has: it says of which epoch its last record is.

Kafka's own followers and others that copy logs say so, from Fetch version 12 on (KIP-595). Where
the log went another way since, they are told where that was, and get no records on top of theirs.
"""

from common.ports.partitions import NO_LEADER_EPOCH, EpochQuery
from common.ports.partitions import EpochEndOffset as EpochEnd
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import PARTITION_ERRORS
from gateway_svc.handlers.fetch.partitions import Asked
from gateway_svc.wire.apis.fetch import EpochEndOffset
from gateway_svc.wire.error_code import ErrorCode


async def compared(asked: list[Asked], context: RequestContext) -> list[Asked]:
    """The partitions, with where the log parted from what the reader has, or why that is unknown.

    Raises:
        BackendUnavailable: an owner does not answer.
    """
    queries = [
        EpochQuery(one.log, one.partition.last_fetched_epoch, one.partition.current_leader_epoch)
        for one in asked
        if one.log is not None and _says_what_it_has(one)
    ]
    if not queries:
        return asked
    ends = iter(await context.backends.partitions.epoch_end_offsets(queries))
    return [
        _judged(one, next(ends)) if one.log is not None and _says_what_it_has(one) else one
        for one in asked
    ]


def _says_what_it_has(asked: Asked) -> bool:
    return asked.partition.last_fetched_epoch != NO_LEADER_EPOCH


def _judged(asked: Asked, end: EpochEnd) -> Asked:
    """As Partition.readRecords of Apache Kafka."""
    if end.refusal is not None:
        return asked._replace(log=None, error_code=PARTITION_ERRORS[end.refusal])
    if end.leader_epoch == NO_LEADER_EPOCH or end.end_offset < 0:
        return asked._replace(log=None, error_code=ErrorCode.OFFSET_OUT_OF_RANGE)
    last, offset = asked.partition.last_fetched_epoch, asked.partition.fetch_offset
    if end.leader_epoch < last or end.end_offset < offset:
        parted = EpochEndOffset(epoch=end.leader_epoch, end_offset=end.end_offset)
        return asked._replace(diverging=parted)
    return asked

"""OffsetDelete: deletes committed offsets of topics that no member of the group subscribes to.

Missing partitions are refused here; the coordinator receives only existing ones.
"""

from collections.abc import Collection, Iterator

from common.cluster.view import ClusterView
from common.ports.group_offsets import DeleteOffsets, TopicPartitions
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import refuse_if_unavailable
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from gateway_svc.wire.error_code import ErrorCode


@refuse_if_unavailable(OFFSET_DELETE)
async def offset_delete(
    request: OffsetDeleteRequest, context: RequestContext
) -> OffsetDeleteResponse:
    if not request.group_id:
        return OFFSET_DELETE.refuse(request, ErrorCode.INVALID_GROUP_ID)
    topics = [
        TopicPartitions(topic.name, _existing(topic, context.backends.view))
        for topic in request.topics
    ]
    deleted = await context.backends.coordinators.call(DeleteOffsets(request.group_id, topics))
    if deleted.refusal is not None:
        return OFFSET_DELETE.refuse(request, GROUP_ERRORS[deleted.refusal])
    errors = (GROUP_ERRORS[refusal] for refusal in deleted.refusals)
    return OffsetDeleteResponse(
        topics=[
            OffsetDeleteResponseTopic(
                name=topic.name, partitions=_results(topic, known.partitions, errors)
            )
            for topic, known in zip(request.topics, topics, strict=True)
        ]
    )


def _existing(topic: OffsetDeleteRequestTopic, view: ClusterView) -> list[int]:
    found = view.topic(topic.name)
    count = 0 if found is None else len(found.partitions)
    indexes = (partition.partition_index for partition in topic.partitions)
    return [index for index in indexes if 0 <= index < count]


def _results(
    topic: OffsetDeleteRequestTopic, existing: Collection[int], errors: Iterator[ErrorCode]
) -> list[OffsetDeleteResponsePartition]:
    """`errors`: one for each of the existing partitions, in order."""
    known = frozenset(existing)
    return [
        OffsetDeleteResponsePartition(
            partition_index=partition.partition_index,
            error_code=(
                next(errors)
                if partition.partition_index in known
                else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            ),
        )
        for partition in topic.partitions
    ]

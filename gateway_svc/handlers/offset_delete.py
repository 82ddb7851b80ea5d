"""OffsetDelete: forgets committed offsets of topics that no member of the group reads."""

from common.ports.group_offsets import DeleteOffsets, TopicPartitions
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.coordinated import coordinated
from gateway_svc.handlers.error_mapping import GROUP_ERRORS
from gateway_svc.wire.apis.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


@coordinated(OFFSET_DELETE)
async def offset_delete(request: OffsetDeleteRequest, call: Call) -> OffsetDeleteResponse:
    topics = [
        TopicPartitions(topic.name, [one.partition_index for one in topic.partitions])
        for topic in request.topics
    ]
    deleted = await call.backends.coordinators.delete_offsets(
        DeleteOffsets(request.group_id, topics)
    )
    if deleted.refusal is not None:
        return OFFSET_DELETE.refuse(request, GROUP_ERRORS[deleted.refusal])
    refusals = iter(deleted.refusals)
    return OffsetDeleteResponse(
        topics=[
            OffsetDeleteResponseTopic(
                name=topic.topic,
                partitions=[
                    OffsetDeleteResponsePartition(
                        partition_index=index, error_code=GROUP_ERRORS[next(refusals)]
                    )
                    for index in topic.partitions
                ],
            )
            for topic in topics
        ]
    )

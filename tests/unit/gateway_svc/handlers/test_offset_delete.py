from common.ports.group_offsets import DeletedOffsets, DeleteOffsets, TopicPartitions
from common.ports.group_refusal import GroupRefusal
from gateway_svc.handlers.offset_delete import offset_delete
from gateway_svc.wire.apis.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.world import World

REQUEST = OffsetDeleteRequest(
    group_id="g",
    topics=[
        OffsetDeleteRequestTopic(
            name="orders",
            partitions=[OffsetDeleteRequestPartition(partition_index=n) for n in (0, 1)],
        )
    ],
)


def test_each_partition_has_an_answer_of_its_own():
    world = World()
    answer = DeletedOffsets([None, GroupRefusal.GROUP_SUBSCRIBED_TO_TOPIC])
    world.coordinators.answers["delete_offsets"] = answer
    response = world.ask(offset_delete, REQUEST, 0)
    assert response.error_code is ErrorCode.NONE
    assert [one.error_code for one in response.topics[0].partitions] == [
        ErrorCode.NONE,
        ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
    ]
    assert world.coordinators.asked == [DeleteOffsets("g", [TopicPartitions("orders", [0, 1])])]


def test_a_refusal_of_the_whole_is_told():
    world = World()
    refused = DeletedOffsets(refusal=GroupRefusal.GROUP_ID_NOT_FOUND)
    world.coordinators.answers["delete_offsets"] = refused
    response = world.ask(offset_delete, REQUEST, 0)
    assert (response.error_code, response.topics) == (ErrorCode.GROUP_ID_NOT_FOUND, ())

"""ConsumerGroupDescribe: state and members of consumer groups."""

from collections.abc import Sequence

from common.client.groups.fan_out import call_each
from common.cluster.view import ClusterView
from common.ports.consumer_groups import (
    DescribeConsumerGroup,
    DescribedConsumerGroup,
    DescribedConsumerMember,
    OwnedPartitions,
)
from common.runtime.cooperative import map_cooperatively
from gateway_svc.cluster.authorized_operations import GROUP_OPERATIONS
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.coordinator_call import refuse_if_unavailable, without_duplicates
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.consumer_group_describe import (
    CONSUMER_GROUP_DESCRIBE,
    OPERATIONS_UNKNOWN,
    Assignment,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
    Member,
    TopicPartitions,
)
from gateway_svc.wire.error_code import ErrorCode


@refuse_if_unavailable(CONSUMER_GROUP_DESCRIBE)
async def consumer_group_describe(
    request: ConsumerGroupDescribeRequest, context: RequestContext
) -> ConsumerGroupDescribeResponse:
    asked = without_duplicates(request.group_ids)
    descriptions = [DescribeConsumerGroup(one) for one in asked if one]
    found = await call_each(context.backends.coordinators, descriptions)
    operations = GROUP_OPERATIONS if request.include_authorized_operations else OPERATIONS_UNKNOWN
    view = context.backends.view
    unnamed = [
        DescribedGroup(error_code=ErrorCode.INVALID_GROUP_ID, group_id=one)
        for one in asked
        if not one
    ]
    return ConsumerGroupDescribeResponse(
        groups=[
            *unnamed,
            *await map_cooperatively(lambda one: _group(one, operations, view), found),
        ]
    )


def _group(found: DescribedConsumerGroup, operations: int, view: ClusterView) -> DescribedGroup:
    if found.refusal is not None:
        return DescribedGroup(
            error_code=GROUP_ERRORS[found.refusal],
            error_message=found.message,
            group_id=found.group_id,
        )
    return DescribedGroup(
        group_id=found.group_id,
        group_state=found.state,
        group_epoch=found.group_epoch,
        assignment_epoch=found.assignment_epoch,
        assignor_name=found.assignor,
        members=[_member(one, view) for one in found.members],
        authorized_operations=operations,
    )


def _member(one: DescribedConsumerMember, view: ClusterView) -> Member:
    return Member(
        member_id=one.member_id,
        instance_id=one.instance_id,
        rack_id=one.rack_id,
        member_epoch=one.member_epoch,
        client_id=one.client.client_id,
        client_host=one.client.client_host,
        subscribed_topic_names=one.subscribed_topic_names,
        subscribed_topic_regex=one.subscribed_topic_regex or "",
        assignment=_assignment(one.assignment, view),
        target_assignment=_assignment(one.target, view),
        member_type=one.member_type,
    )


def _assignment(owned: Sequence[OwnedPartitions], view: ClusterView) -> Assignment:
    """Converts an assignment, without deleted topics, which have no name."""
    topics = [(view.topic_by_id(one.topic_id), one) for one in owned]
    return Assignment(
        topic_partitions=[
            TopicPartitions(
                topic_id=topic.topic_id, topic_name=topic.name, partitions=one.partitions
            )
            for topic, one in topics
            if topic is not None
        ]
    )

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
    group_ids = without_duplicates(request.group_ids)
    descriptions = [DescribeConsumerGroup(group_id) for group_id in group_ids if group_id]
    found = await call_each(context.backends.coordinators, descriptions)
    operations = GROUP_OPERATIONS if request.include_authorized_operations else OPERATIONS_UNKNOWN
    view = context.backends.view
    unnamed = [
        DescribedGroup(error_code=ErrorCode.INVALID_GROUP_ID, group_id=group_id)
        for group_id in group_ids
        if not group_id
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
        members=[_member(member, view) for member in found.members],
        authorized_operations=operations,
    )


def _member(member: DescribedConsumerMember, view: ClusterView) -> Member:
    return Member(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.member_epoch,
        client_id=member.client.client_id,
        client_host=member.client.client_host,
        subscribed_topic_names=member.subscribed_topic_names,
        subscribed_topic_regex=member.subscribed_topic_regex or "",
        assignment=_assignment(member.assignment, view),
        target_assignment=_assignment(member.target, view),
        member_type=member.member_type,
    )


def _assignment(owned: Sequence[OwnedPartitions], view: ClusterView) -> Assignment:
    """Converts an assignment, without deleted topics, which have no name."""
    topics = [(view.topic_by_id(partitions.topic_id), partitions) for partitions in owned]
    return Assignment(
        topic_partitions=[
            TopicPartitions(
                topic_id=topic.topic_id, topic_name=topic.name, partitions=owned_of.partitions
            )
            for topic, owned_of in topics
            if topic is not None
        ]
    )

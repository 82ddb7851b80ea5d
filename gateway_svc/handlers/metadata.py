"""Metadata: brokers and topics with their leaders. Creates missing topics if allowed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from common.ports.metadata import Topic
from common.runtime.cooperative import map_cooperatively
from gateway_svc.cluster.authorized_operations import CLUSTER_OPERATIONS, TOPIC_OPERATIONS
from gateway_svc.cluster.auto_create import create_missing
from gateway_svc.cluster.brokers import brokers, controller, leader_assignment
from gateway_svc.cluster.leadership import LeaderAssignment
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.wire.apis.metadata import (
    METADATA,
    OPERATIONS_UNKNOWN,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ZERO_UUID

#: First version in which an empty list means no topics, and only null all topics.
_EMPTY_IS_NONE_SINCE: Final = 1
#: First version with topic ids in requests (KIP-516).
_BY_ID_SINCE: Final = 12


async def metadata(request: MetadataRequest, context: RequestContext) -> MetadataResponse:
    if context.api_version < _BY_ID_SINCE and _has_topic_ids(request.topics or ()):
        return METADATA.refuse(request, ErrorCode.INVALID_REQUEST)
    topics = await _topics(request, context)
    among = brokers(context)
    led_by = leader_assignment(among, context)
    operations = (
        TOPIC_OPERATIONS if request.include_topic_authorized_operations else OPERATIONS_UNKNOWN
    )
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(
                node_id=broker.node_id, host=broker.host, port=broker.port, rack=broker.rack
            )
            for broker in among
        ],
        cluster_id=context.backends.view.cluster_id,
        controller_id=controller(among).node_id,
        topics=await map_cooperatively(
            lambda topic: (
                _existing(topic, led_by, operations)
                if isinstance(topic, Topic)
                else _missing(topic, operations)
            ),
            topics,
        ),
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else OPERATIONS_UNKNOWN,
    )


def _has_topic_ids(topics: Iterable[MetadataRequestTopic]) -> bool:
    return any(topic.name is None or topic.topic_id != ZERO_UUID for topic in topics)


async def _topics(
    request: MetadataRequest, context: RequestContext
) -> Sequence[Topic | MetadataResponseTopic]:
    """Requested topics, each once and in order; a response where there is no such topic."""
    requested = request.topics
    if requested is None or (not requested and context.api_version < _EMPTY_IS_NONE_SINCE):
        return context.backends.view.topics
    names = {
        topic.name: None
        for topic in requested
        if topic.name is not None and topic.topic_id == ZERO_UUID
    }
    missing = await create_missing(names, context, is_allowed=request.allow_auto_topic_creation)
    keys = {
        (topic.topic_id, topic.name if topic.topic_id == ZERO_UUID else None): None
        for topic in requested
    }
    return await map_cooperatively(lambda key: _topic(*key, missing, context), keys)


def _topic(
    topic_id: bytes, name: str | None, missing: Mapping[str, ErrorCode], context: RequestContext
) -> Topic | MetadataResponseTopic:
    view = context.backends.view
    if name is None:
        unknown = MetadataResponseTopic(
            error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id
        )
        return view.topic_by_id(topic_id) or unknown
    error_code = missing.get(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return view.topic(name) or MetadataResponseTopic(error_code=error_code, name=name)


def _missing(topic: MetadataResponseTopic, operations: int) -> MetadataResponseTopic:
    """Adds the authorized operations, which KafkaApis returns for missing names too."""
    return topic if topic.name is None else replace(topic, topic_authorized_operations=operations)


def _existing(topic: Topic, led_by: LeaderAssignment, operations: int) -> MetadataResponseTopic:
    led = led_by.topic_leaders(topic.topic_id, len(topic.partitions))
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[
            MetadataResponsePartition(
                partition_index=partition,
                leader_id=leader.leader,
                leader_epoch=placement.leader_epoch,
                replica_nodes=leader.replicas,
                isr_nodes=leader.replicas,
            )
            for partition, (leader, placement) in enumerate(zip(led, topic.partitions, strict=True))
        ],
        topic_authorized_operations=operations,
    )

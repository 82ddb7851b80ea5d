"""Metadata: the brokers, and topics with their leaders; creates topics on the way if it may."""

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

#: Since this version an empty list asks for no topics, and only null for all.
_EMPTY_IS_NONE_SINCE: Final = 1
#: Since this version topics may be asked for by id (KIP-516).
_BY_ID_SINCE: Final = 12


async def metadata(request: MetadataRequest, context: RequestContext) -> MetadataResponse:
    if context.api_version < _BY_ID_SINCE and _asks_by_id(request.topics or ()):
        return METADATA.refuse(request, ErrorCode.INVALID_REQUEST)
    topics = await _topics(request, context)
    among = brokers(context)
    led_by = leader_assignment(among, context)
    operations = (
        TOPIC_OPERATIONS if request.include_topic_authorized_operations else OPERATIONS_UNKNOWN
    )
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(node_id=one.node_id, host=one.host, port=one.port, rack=one.rack)
            for one in among
        ],
        cluster_id=context.backends.view.cluster_id,
        controller_id=controller(among).node_id,
        topics=await map_cooperatively(
            lambda one: (
                _known(one, led_by, operations)
                if isinstance(one, Topic)
                else _unknown(one, operations)
            ),
            topics,
        ),
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else OPERATIONS_UNKNOWN,
    )


def _asks_by_id(topics: Iterable[MetadataRequestTopic]) -> bool:
    return any(topic.name is None or topic.topic_id != ZERO_UUID for topic in topics)


async def _topics(
    request: MetadataRequest, context: RequestContext
) -> Sequence[Topic | MetadataResponseTopic]:
    """What is asked for, each once and in order: a topic, or the answer that there is none."""
    asked = request.topics
    if asked is None or (not asked and context.api_version < _EMPTY_IS_NONE_SINCE):
        return context.backends.view.topics
    names = {one.name: None for one in asked if one.name is not None and one.topic_id == ZERO_UUID}
    missing = await create_missing(names, context, is_allowed=request.allow_auto_topic_creation)
    keys = {(one.topic_id, one.name if one.topic_id == ZERO_UUID else None): None for one in asked}
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


def _unknown(told: MetadataResponseTopic, operations: int) -> MetadataResponseTopic:
    """What may be done is told of every name, also where no topic has it (KafkaApis)."""
    return told if told.name is None else replace(told, topic_authorized_operations=operations)


def _known(topic: Topic, led_by: LeaderAssignment, operations: int) -> MetadataResponseTopic:
    led = led_by.topic_leaders(topic.topic_id, len(topic.partitions))
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[
            MetadataResponsePartition(
                partition_index=partition,
                leader_id=one.leader,
                leader_epoch=placement.leader_epoch,
                replica_nodes=one.replicas,
                isr_nodes=one.replicas,
            )
            for partition, (one, placement) in enumerate(zip(led, topic.partitions, strict=True))
        ],
        topic_authorized_operations=operations,
    )

"""CreateTopics: creates or validates topics. Responds when every gateway knows them."""

from typing import Final

from common.ports.metadata import NewTopic, TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.cluster.config_entries import topic_entries
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import TOPIC_ERRORS
from gateway_svc.wire.apis.create_topics import (
    CREATE_TOPICS,
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ZERO_UUID

#: Partitions have one replica, whatever the request says.
_REPLICATION_FACTOR: Final = 1


async def create_topics(
    request: CreateTopicsRequest, context: RequestContext
) -> CreateTopicsResponse:
    invalid = {
        topic.name: result
        for topic in request.topics
        if (result := _invalid_assignment(topic)) is not None
    }
    valid = [topic for topic in request.topics if topic.name not in invalid]
    try:
        results = await context.backends.metadata.create_topics(
            [_new_topic(topic) for topic in valid],
            timeout_ms=request.timeout_ms,
            validate_only=request.validate_only,
        )
    except BackendUnavailable:
        # It is unknown whether the topics were created.
        return CREATE_TOPICS.refuse(request, ErrorCode.REQUEST_TIMED_OUT)
    # One result for each name, even if the request has a name twice.
    by_name = invalid | {
        topic.name: _result(topic.name, result, context)
        for topic, result in zip(valid, results, strict=True)
    }
    names = dict.fromkeys(topic.name for topic in request.topics)
    return CreateTopicsResponse(topics=[by_name[name] for name in names])


def _invalid_assignment(topic: CreatableTopic) -> CreatableTopicResult | None:
    """Returns the error of an assignment that names a partition twice, else None."""
    partitions = [assignment.partition_index for assignment in topic.assignments]
    if len(set(partitions)) == len(partitions):
        return None
    return CreatableTopicResult(
        name=topic.name,
        error_code=ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        error_message="Found multiple manual partition assignments for a partition",
    )


def _new_topic(topic: CreatableTopic) -> NewTopic:
    return NewTopic(
        name=topic.name,
        partition_count=topic.num_partitions,
        replication_factor=topic.replication_factor,
        assignments={
            assignment.partition_index: list(assignment.broker_ids)
            for assignment in topic.assignments
        },
        configs={config.name: config.value for config in topic.configs},
    )


def _result(name: str, result: TopicResult, context: RequestContext) -> CreatableTopicResult:
    if result.refusal is not None:
        return CreatableTopicResult(
            name=name,
            topic_id=result.topic_id or ZERO_UUID,
            error_code=TOPIC_ERRORS[result.refusal],
            error_message=result.message or result.refusal.name,
        )
    topic = result.topic
    assert topic is not None
    broker_configs = context.backends.view.broker_configs
    return CreatableTopicResult(
        name=name,
        topic_id=topic.topic_id,
        num_partitions=len(topic.partitions),
        replication_factor=_REPLICATION_FACTOR,
        configs=[
            CreatableTopicConfigs(
                name=entry.name,
                value=entry.value,
                read_only=entry.read_only,
                config_source=entry.source,
            )
            for entry in topic_entries(topic.configs, broker_configs)
        ],
    )

"""CreateTopics: makes topics, or only checks them. Answered when every gateway knows them."""

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

#: Whatever was asked for, there is one copy of each partition.
_REPLICATION_FACTOR: Final = 1


async def create_topics(
    request: CreateTopicsRequest, context: RequestContext
) -> CreateTopicsResponse:
    clear = {one.name: result for one in request.topics if (result := _clear(one)) is not None}
    asked = [one for one in request.topics if one.name not in clear]
    try:
        results = await context.backends.metadata.create_topics(
            [_new_topic(one) for one in asked],
            timeout_ms=request.timeout_ms,
            validate_only=request.validate_only,
        )
    except BackendUnavailable:
        # Whether the topics are made is not known.
        return CREATE_TOPICS.refuse(request, ErrorCode.REQUEST_TIMED_OUT)
    # One answer for each name, though a name may have been there twice.
    answers = clear | {
        one.name: _answer(one.name, result, context)
        for one, result in zip(asked, results, strict=True)
    }
    names = dict.fromkeys(one.name for one in request.topics)
    return CreateTopicsResponse(topics=[answers[name] for name in names])


def _clear(asked: CreatableTopic) -> CreatableTopicResult | None:
    """The answer where the request contradicts itself in a way that the port cannot express."""
    partitions = [one.partition_index for one in asked.assignments]
    if len(set(partitions)) == len(partitions):
        return None
    return CreatableTopicResult(
        name=asked.name,
        error_code=ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        error_message="Found multiple manual partition assignments for a partition",
    )


def _new_topic(asked: CreatableTopic) -> NewTopic:
    return NewTopic(
        name=asked.name,
        partition_count=asked.num_partitions,
        replication_factor=asked.replication_factor,
        assignments={one.partition_index: list(one.broker_ids) for one in asked.assignments},
        configs={one.name: one.value for one in asked.configs},
    )


def _answer(name: str, result: TopicResult, context: RequestContext) -> CreatableTopicResult:
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
                name=one.name, value=one.value, read_only=one.read_only, config_source=one.source
            )
            for one in topic_entries(topic.configs, broker_configs)
        ],
    )

"""CreateTopics: makes topics, and answers when they can be used through every gateway (S-52)."""

from collections.abc import Sequence
from typing import Final

from common.ports.metadata import NewTopic, Topic, TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.config_entries import topic_entries
from gateway_svc.handlers.error_mapping import TOPIC_ERRORS
from gateway_svc.wire.apis.create_topics import (
    CREATE_TOPICS,
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from gateway_svc.wire.error_code import ErrorCode

#: Since this version -1 asks for the cluster's defaults (KIP-464).
_DEFAULTS_SINCE: Final = 4
_DEFAULT: Final = -1
#: One copy of each partition is kept, whatever factor was asked for.
_REPLICATION_FACTOR: Final = 1


async def create_topics(request: CreateTopicsRequest, call: Call) -> CreateTopicsResponse:
    wrong = {id(one): result for one in request.topics if (result := _wrong(one, call)) is not None}
    asked = [one for one in request.topics if id(one) not in wrong]
    try:
        results = await call.backends.metadata.create_topics(
            [_new_topic(one) for one in asked],
            timeout_ms=request.timeout_ms,
            validate_only=request.validate_only,
        )
    except BackendUnavailable:
        # Whether they were made is not known; clients may ask, or try again.
        return CREATE_TOPICS.refuse(request, ErrorCode.REQUEST_TIMED_OUT)
    answers = iter([_result(result, call) for result in results])
    return CreateTopicsResponse(
        topics=[wrong[id(one)] if id(one) in wrong else next(answers) for one in request.topics]
    )


def _wrong(asked: CreatableTopic, call: Call) -> CreatableTopicResult | None:
    """What a request says that cannot be meant, before anybody is asked."""
    partitions = [one.partition_index for one in asked.assignments]
    if len(set(partitions)) < len(partitions):
        return _failed(asked.name, ErrorCode.INVALID_REPLICA_ASSIGNMENT, "A partition is twice.")
    if len({one.name for one in asked.configs}) < len(asked.configs):
        return _failed(asked.name, ErrorCode.INVALID_CONFIG, "A config is there twice.")
    numbers = (asked.num_partitions, asked.replication_factor)
    if partitions and numbers != (_DEFAULT, _DEFAULT):
        return _failed(
            asked.name,
            ErrorCode.INVALID_REQUEST,
            "Both numPartitions or replicationFactor and replicasAssignments were set.",
        )
    if not partitions and _DEFAULT in numbers and call.api_version < _DEFAULTS_SINCE:
        error_code = (
            ErrorCode.INVALID_PARTITIONS
            if asked.num_partitions == _DEFAULT
            else ErrorCode.INVALID_REPLICATION_FACTOR
        )
        return _failed(asked.name, error_code, "-1 asks for the default since version 4 only.")
    return None


def _new_topic(asked: CreatableTopic) -> NewTopic:
    return NewTopic(
        name=asked.name,
        partition_count=asked.num_partitions,
        replication_factor=asked.replication_factor,
        assignments={one.partition_index: one.broker_ids for one in asked.assignments},
        configs={one.name: one.value for one in asked.configs},
    )


def _result(result: TopicResult, call: Call) -> CreatableTopicResult:
    name = result.name or ""
    if result.refusal is not None:
        return _failed(name, TOPIC_ERRORS[result.refusal], result.message)
    assert result.topic is not None
    return CreatableTopicResult(
        name=name,
        topic_id=result.topic.topic_id,
        num_partitions=len(result.topic.partitions),
        replication_factor=_REPLICATION_FACTOR,
        configs=_configs(result.topic, call),
    )


def _configs(topic: Topic, call: Call) -> Sequence[CreatableTopicConfigs]:
    return [
        CreatableTopicConfigs(
            name=entry.name,
            value=entry.value,
            read_only=entry.is_read_only,
            config_source=entry.source,
        )
        for entry in topic_entries(topic.configs, call.backends.view.broker_configs)
    ]


def _failed(name: str, error_code: ErrorCode, message: str | None) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=error_code, error_message=message)

"""DeleteTopics: topics and what is in them, by name or by id."""

from collections import Counter
from collections.abc import Hashable, Sequence

from common.ports.metadata import TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.error_mapping import TOPIC_ERRORS
from gateway_svc.wire.apis.delete_topics import (
    DELETE_TOPICS,
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ZERO_UUID


async def delete_topics(request: DeleteTopicsRequest, call: Call) -> DeleteTopicsResponse:
    if not call.backends.settings.delete_topic_enable:
        return DELETE_TOPICS.refuse(request, ErrorCode.TOPIC_DELETION_DISABLED)
    asked = [*request.topics, *(DeleteTopicState(name=name) for name in request.topic_names)]
    wrong = [one for one in asked if (one.name is None) == (one.topic_id == ZERO_UUID)]
    twice = _twice(asked)
    good = [one for one in asked if one not in wrong and _key(one) not in twice]
    try:
        deleted = await _delete(good, request.timeout_ms, call)
    except BackendUnavailable:
        deleted = [_failed(one, ErrorCode.REQUEST_TIMED_OUT, None) for one in good]
    refused = [
        _failed(one, ErrorCode.INVALID_REQUEST, "Name a topic once, by its name or by its id.")
        for one in asked
        if one not in good
    ]
    return DeleteTopicsResponse(responses=[*deleted, *refused])


def _key(topic: DeleteTopicState) -> Hashable:
    return topic.name, topic.topic_id


def _twice(asked: Sequence[DeleteTopicState]) -> set[Hashable]:
    return {key for key, count in Counter(map(_key, asked)).items() if count > 1}


async def _delete(
    asked: Sequence[DeleteTopicState], timeout_ms: int, call: Call
) -> list[DeletableTopicResult]:
    by_name = [one for one in asked if one.name is not None]
    by_id = [one for one in asked if one.name is None]
    results = await call.backends.metadata.delete_topics(
        [one.name for one in by_name if one.name is not None],
        [one.topic_id for one in by_id],
        timeout_ms=timeout_ms,
    )
    return [_result(one, result) for one, result in zip(by_name + by_id, results, strict=True)]


def _result(asked: DeleteTopicState, result: TopicResult) -> DeletableTopicResult:
    if result.refusal is not None:
        return _failed(asked, TOPIC_ERRORS[result.refusal], result.message)
    return DeletableTopicResult(
        name=result.name or asked.name, topic_id=result.topic_id or asked.topic_id
    )


def _failed(
    asked: DeleteTopicState, error_code: ErrorCode, message: str | None
) -> DeletableTopicResult:
    return DeletableTopicResult(
        name=asked.name, topic_id=asked.topic_id, error_code=error_code, error_message=message
    )

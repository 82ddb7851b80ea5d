"""DeleteTopics: deletes topics by name, and from version 6 on also by id."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeVar

from common.ports.metadata import TopicResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import TOPIC_ERRORS
from gateway_svc.wire.apis.delete_topics import (
    DELETE_TOPICS,
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ZERO_UUID

T = TypeVar("T", str, bytes)

#: First version whose clients know TOPIC_DELETION_DISABLED (KIP-322).
_DISABLED_SINCE: Final = 3


async def delete_topics(
    request: DeleteTopicsRequest, context: RequestContext
) -> DeleteTopicsResponse:
    if not context.backends.settings.delete_topic_enable:
        disabled = ErrorCode.TOPIC_DELETION_DISABLED
        knows_it = context.api_version >= _DISABLED_SINCE
        return DELETE_TOPICS.refuse(request, disabled if knows_it else ErrorCode.INVALID_REQUEST)
    states = [*request.topics, *(DeleteTopicState(name=name) for name in request.topic_names)]
    invalid = [topic for topic in states if (topic.name is None) == (topic.topic_id == ZERO_UUID)]
    all_names = [
        topic.name for topic in states if topic.name is not None and topic.topic_id == ZERO_UUID
    ]
    all_ids = [
        topic.topic_id for topic in states if topic.name is None and topic.topic_id != ZERO_UUID
    ]
    names, ids = _named_once(all_names), _named_once(all_ids)
    repeated = [
        *(DeleteTopicState(name=name) for name in _named_again(all_names)),
        *(DeleteTopicState(topic_id=topic_id) for topic_id in _named_again(all_ids)),
    ]
    try:
        results = await context.backends.metadata.delete_topics(
            names, ids, timeout_ms=request.timeout_ms
        )
    except BackendUnavailable:
        # It is unknown whether the topics were deleted.
        return DELETE_TOPICS.refuse(request, ErrorCode.REQUEST_TIMED_OUT)
    return DeleteTopicsResponse(
        responses=[
            *map(_invalid, invalid),
            *map(_repeated, repeated),
            *_results(names, ids, results),
        ]
    )


def _named_once(values: Sequence[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count == 1]


def _named_again(values: Sequence[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]


def _repeated(topic: DeleteTopicState) -> DeletableTopicResult:
    """Refuses a repeated topic once; it is not deleted (ControllerApis.deleteTopics)."""
    kind = "name" if topic.name is not None else "id"
    return DeletableTopicResult(
        name=topic.name,
        topic_id=topic.topic_id,
        error_code=ErrorCode.INVALID_REQUEST,
        error_message=f"Duplicate topic {kind}.",
    )


def _invalid(topic: DeleteTopicState) -> DeletableTopicResult:
    has_both = topic.name is not None
    return DeletableTopicResult(
        name=topic.name,
        topic_id=topic.topic_id,
        error_code=ErrorCode.INVALID_REQUEST,
        error_message="You may not specify both topic name and topic id."
        if has_both
        else "Neither topic name nor id were specified.",
    )


def _results(
    names: Sequence[str], ids: Sequence[bytes], results: Sequence[TopicResult]
) -> list[DeletableTopicResult]:
    by_name = [
        _result(name, result.topic_id or ZERO_UUID, result)
        for name, result in zip(names, results[: len(names)], strict=True)
    ]
    by_id = [
        _result(result.name, topic_id, result)
        for topic_id, result in zip(ids, results[len(names) :], strict=True)
    ]
    return by_name + by_id


def _result(name: str | None, topic_id: bytes, result: TopicResult) -> DeletableTopicResult:
    if result.refusal is None:
        return DeletableTopicResult(name=name, topic_id=topic_id)
    return DeletableTopicResult(
        name=name,
        topic_id=topic_id,
        error_code=TOPIC_ERRORS[result.refusal],
        error_message=result.message or result.refusal.name,
    )

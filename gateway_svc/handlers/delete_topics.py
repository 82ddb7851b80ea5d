"""DeleteTopics: removes topics by name, from version 6 on by id too, and what is in them."""

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

#: Since this version TOPIC_DELETION_DISABLED is known to clients (KIP-322).
_DISABLED_SINCE: Final = 3


async def delete_topics(
    request: DeleteTopicsRequest, context: RequestContext
) -> DeleteTopicsResponse:
    if not context.backends.settings.delete_topic_enable:
        disabled = ErrorCode.TOPIC_DELETION_DISABLED
        told = disabled if context.api_version >= _DISABLED_SINCE else ErrorCode.INVALID_REQUEST
        return DELETE_TOPICS.refuse(request, told)
    states = [*request.topics, *(DeleteTopicState(name=name) for name in request.topic_names)]
    unclear = [one for one in states if (one.name is None) == (one.topic_id == ZERO_UUID)]
    all_names = [one.name for one in states if one.name is not None and one.topic_id == ZERO_UUID]
    all_ids = [one.topic_id for one in states if one.name is None and one.topic_id != ZERO_UUID]
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
        # Whether the topics are gone is not known.
        return DELETE_TOPICS.refuse(request, ErrorCode.REQUEST_TIMED_OUT)
    return DeleteTopicsResponse(
        responses=[
            *map(_unclear, unclear),
            *map(_repeated, repeated),
            *_answers(names, ids, results),
        ]
    )


def _named_once(values: Sequence[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count == 1]


def _named_again(values: Sequence[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]


def _repeated(asked: DeleteTopicState) -> DeletableTopicResult:
    """One answer to all of it, and nothing is deleted (ControllerApis.deleteTopics)."""
    what = "name" if asked.name is not None else "id"
    return DeletableTopicResult(
        name=asked.name,
        topic_id=asked.topic_id,
        error_code=ErrorCode.INVALID_REQUEST,
        error_message=f"Duplicate topic {what}.",
    )


def _unclear(asked: DeleteTopicState) -> DeletableTopicResult:
    both = asked.name is not None
    return DeletableTopicResult(
        name=asked.name,
        topic_id=asked.topic_id,
        error_code=ErrorCode.INVALID_REQUEST,
        error_message="You may not specify both topic name and topic id."
        if both
        else "Neither topic name nor id were specified.",
    )


def _answers(
    names: Sequence[str], ids: Sequence[bytes], results: Sequence[TopicResult]
) -> list[DeletableTopicResult]:
    by_name = [
        _answer(name, result.topic_id or ZERO_UUID, result)
        for name, result in zip(names, results[: len(names)], strict=True)
    ]
    by_id = [
        _answer(result.name, topic_id, result)
        for topic_id, result in zip(ids, results[len(names) :], strict=True)
    ]
    return by_name + by_id


def _answer(name: str | None, topic_id: bytes, result: TopicResult) -> DeletableTopicResult:
    if result.refusal is None:
        return DeletableTopicResult(name=name, topic_id=topic_id)
    return DeletableTopicResult(
        name=name,
        topic_id=topic_id,
        error_code=TOPIC_ERRORS[result.refusal],
        error_message=result.message or result.refusal.name,
    )

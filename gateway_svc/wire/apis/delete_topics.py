"""DeleteTopics (key 20), versions 0-6: removes topics and what is in them.

Versions:
    1: throttle_time_ms
    2: response sent before throttling (KIP-219)
    3: TOPIC_DELETION_DISABLED may be returned (KIP-322)
    4: flexible encoding (KIP-482)
    5: error_message (KIP-599)
    6: topics, by name or by id, instead of topic_names (KIP-516)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    ERROR_CODE,
    INT32,
    STRING,
    UUID,
    ZERO_UUID,
    ArrayOf,
    message,
    wire,
)


@message
class DeleteTopicState:
    """A topic by its name, or where that is None by its id."""

    name: str | None = wire(STRING, nullable_since=6, default=None)
    topic_id: bytes = wire(UUID, default=ZERO_UUID)


@message
class DeleteTopicsRequest:
    topics: Sequence[DeleteTopicState] = wire(ArrayOf(DeleteTopicState), since=6, default=())
    topic_names: Sequence[str] = wire(ArrayOf(STRING), until=5, default=())
    timeout_ms: int = wire(INT32)


@message
class DeletableTopicResult:
    name: str | None = wire(STRING, nullable_since=6)
    topic_id: bytes = wire(UUID, since=6, default=ZERO_UUID)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, since=5, nullable_since=5, default=None)


@message
class DeleteTopicsResponse:
    throttle_time_ms: int = wire(INT32, since=1, default=0)
    responses: Sequence[DeletableTopicResult] = wire(ArrayOf(DeletableTopicResult))


def _refuse(request: DeleteTopicsRequest, error_code: ErrorCode) -> DeleteTopicsResponse:
    by_name = [
        DeletableTopicResult(name=name, error_code=error_code) for name in request.topic_names
    ]
    by_state = [
        DeletableTopicResult(name=topic.name, topic_id=topic.topic_id, error_code=error_code)
        for topic in request.topics
    ]
    return DeleteTopicsResponse(responses=by_name + by_state)


DELETE_TOPICS = Api(
    key=20,
    name="DeleteTopics",
    version_min=0,
    version_max=6,
    flexible_since=4,
    request=DeleteTopicsRequest,
    response=DeleteTopicsResponse,
    refuse=_refuse,
)

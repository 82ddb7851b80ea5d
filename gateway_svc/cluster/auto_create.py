"""Creation of missing topics on Metadata requests, if the client and the settings allow it.

The response waits until the topics can be used; Apache Kafka lets clients retry instead.
"""

from collections.abc import Iterable

from common.config.topic_names import invalid_name_reason, is_internal
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.metadata import NewTopic, TopicRefusal
from common.ports.unavailable import BackendUnavailable
from common.runtime.cooperative import map_cooperatively
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import TOPIC_ERRORS
from gateway_svc.wire.error_code import ErrorCode

#: Refusals after which clients should retry: the topic exists now, will soon exist, or no member
#: could own it.
_RETRIABLE = (TopicRefusal.TOPIC_ALREADY_EXISTS, TopicRefusal.TIMED_OUT, TopicRefusal.NO_OWNER)


async def create_missing(
    names: Iterable[str], context: RequestContext, *, is_allowed: bool
) -> dict[str, ErrorCode]:
    """Creates missing topics. Returns the error of each of `names` that does not exist after that.

    The error is LEADER_NOT_AVAILABLE for topics whose creation clients should wait for.
    """
    view = context.backends.view
    absent = [name for name in names if view.topic(name) is None]
    missing = dict(zip(absent, await map_cooperatively(_reason, absent), strict=True))
    if not (is_allowed and context.backends.settings.auto_create_topics_enable):
        return missing
    creatable = [
        name
        for name, error_code in missing.items()
        if error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION and not is_internal(name)
    ]
    if OFFSETS_TOPIC in missing:
        missing |= await _create_offsets_topic(context)
    return {**missing, **await _create(creatable, context)} if creatable else missing


def _reason(name: str) -> ErrorCode:
    if invalid_name_reason(name) is not None:
        return ErrorCode.INVALID_TOPIC_EXCEPTION
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def _create_offsets_topic(context: RequestContext) -> dict[str, ErrorCode]:
    """Creates the topic of groups, with its special configs, as the first group would."""
    try:
        await context.backends.offsets_topic.get()
    except BackendUnavailable:
        return {OFFSETS_TOPIC: ErrorCode.LEADER_NOT_AVAILABLE}
    return {}


async def _create(names: list[str], context: RequestContext) -> dict[str, ErrorCode]:
    """Creates topics. Returns the error of each, in case the view does not have it yet."""
    try:
        results = await context.backends.metadata.create_topics(
            [NewTopic(name) for name in names],
            timeout_ms=context.backends.settings.auto_create_timeout_ms,
        )
    except BackendUnavailable:
        return dict.fromkeys(names, ErrorCode.LEADER_NOT_AVAILABLE)
    return {
        name: ErrorCode.LEADER_NOT_AVAILABLE
        if result.refusal is None or result.refusal in _RETRIABLE
        else TOPIC_ERRORS[result.refusal]
        for name, result in zip(names, results, strict=True)
    }

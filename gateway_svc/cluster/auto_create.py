"""Creates topics that clients ask Metadata for, where the client and the settings wish so.

Answers when the topics can be used: clients of Apache Kafka are told to try again instead.
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

#: The topic is, or will soon be there; or nobody could be asked. Clients try all of them again.
_TRY_AGAIN = (TopicRefusal.TOPIC_ALREADY_EXISTS, TopicRefusal.TIMED_OUT, TopicRefusal.NO_OWNER)


async def create_missing(
    names: Iterable[str], context: RequestContext, *, is_wished: bool
) -> dict[str, ErrorCode]:
    """Why topics among `names` are not there; those that could be created now are."""
    view = context.backends.view
    absent = [name for name in names if view.topic(name) is None]
    missing = dict(zip(absent, await map_cooperatively(_reason, absent), strict=True))
    if not (is_wished and context.backends.settings.auto_create_topics_enable):
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
    """As the first group would create it: its configs are not those of other topics."""
    try:
        await context.backends.group_topic.get()
    except BackendUnavailable:
        return {OFFSETS_TOPIC: ErrorCode.LEADER_NOT_AVAILABLE}
    return {}


async def _create(names: list[str], context: RequestContext) -> dict[str, ErrorCode]:
    """What is left to say of each name where the topic still is not there."""
    try:
        results = await context.backends.metadata.create_topics(
            [NewTopic(name) for name in names],
            timeout_ms=context.backends.settings.auto_create_timeout_ms,
        )
    except BackendUnavailable:
        return dict.fromkeys(names, ErrorCode.LEADER_NOT_AVAILABLE)
    return {
        name: ErrorCode.LEADER_NOT_AVAILABLE
        if result.refusal is None or result.refusal in _TRY_AGAIN
        else TOPIC_ERRORS[result.refusal]
        for name, result in zip(names, results, strict=True)
    }

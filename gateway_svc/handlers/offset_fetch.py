"""OffsetFetch: committed offsets of one group, or from version 8 on of several.

While the coordinator is unavailable, the error is COORDINATOR_LOAD_IN_PROGRESS, the only one after
which all clients retry an OffsetFetch. After COORDINATOR_NOT_AVAILABLE librdkafka waits for its
offsets forever (its issue 5586: the member stays in the group and reads nothing), and aiokafka and
sarama raise it to the application. After NOT_COORDINATOR librdkafka does not retry either.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Final

from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import (
    CommittedOffset,
    FetchedOffsets,
    FetchOffsets,
    TopicPartitions,
)
from common.ports.unavailable import BackendUnavailable
from common.runtime.cooperative import gather_bounded
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import GROUP_ERRORS
from gateway_svc.wire.apis.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ZERO_UUID

#: First version with several groups (KIP-709).
_SEVERAL_SINCE: Final = 8
#: First version with topic ids.
_TOPIC_IDS_SINCE: Final = 10

_UNAVAILABLE: Final = (GroupRefusal.COORDINATOR_NOT_AVAILABLE, GroupRefusal.NOT_COORDINATOR)


async def offset_fetch(request: OffsetFetchRequest, context: RequestContext) -> OffsetFetchResponse:
    if context.api_version >= _SEVERAL_SINCE:
        groups = await gather_bounded(
            lambda one: _group(one, request.require_stable, context),
            _without_repetitions(request.groups),
        )
        return OffsetFetchResponse(groups=groups)
    requested = (
        None
        if request.topics is None
        else [
            TopicPartitions(topic.name, topic.partition_indexes, _topic_id(topic.name, context))
            for topic in request.topics
        ]
    )
    fetched = await _fetched(
        FetchOffsets(request.group_id, requested, require_stable=request.require_stable), context
    )
    if fetched.refusal is not None:
        return OFFSET_FETCH.refuse(request, GROUP_ERRORS[fetched.refusal])
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name=name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=committed.partition,
                        committed_offset=committed.offset,
                        committed_leader_epoch=committed.leader_epoch,
                        metadata=committed.metadata,
                        error_code=GROUP_ERRORS[committed.refusal],
                    )
                    for committed in offsets
                ],
            )
            for name, offsets in _by_topic(requested, fetched)
        ]
    )


def _without_repetitions(
    groups: Sequence[OffsetFetchRequestGroup],
) -> list[OffsetFetchRequestGroup]:
    """Drops repeated requests of all offsets of a group, of which there may be thousands."""
    all_of: set[str] = set()
    once = []
    for group in groups:
        if group.topics is None:
            if group.group_id in all_of:
                continue
            all_of.add(group.group_id)
        once.append(group)
    return once


async def _group(
    requested: OffsetFetchRequestGroup, require_stable: bool, context: RequestContext
) -> OffsetFetchResponseGroup:
    unknown = [topic for topic in requested.topics or () if _name(topic, context) is None]
    known = None if requested.topics is None else _known(requested.topics, context)
    fetched = await _fetched(
        FetchOffsets(
            requested.group_id,
            known,
            requested.member_id,
            requested.member_epoch,
            require_stable,
        ),
        context,
    )
    if fetched.refusal is not None:
        error_code = GROUP_ERRORS[fetched.refusal]
        return OffsetFetchResponseGroup(
            group_id=requested.group_id, topics=[], error_code=error_code
        )
    return OffsetFetchResponseGroup(
        group_id=requested.group_id,
        topics=[*_topics(known, fetched, context), *(_unknown(topic) for topic in unknown)],
    )


async def _fetched(requested: FetchOffsets, context: RequestContext) -> FetchedOffsets:
    """Fetches the offsets of one group; a lost coordinator is an error of that group only."""
    try:
        fetched = await context.backends.coordinators.call(requested)
    except BackendUnavailable:
        fetched = FetchedOffsets(refusal=GroupRefusal.COORDINATOR_NOT_AVAILABLE)
    if fetched.refusal in _UNAVAILABLE:
        return FetchedOffsets(refusal=GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
    return fetched


def _name(requested: OffsetFetchRequestTopics, context: RequestContext) -> str | None:
    """Returns the topic's name; None for an unknown topic id."""
    if context.api_version < _TOPIC_IDS_SINCE:
        return requested.name
    topic = context.backends.view.topic_by_id(requested.topic_id)
    return None if topic is None else topic.name


def _known(
    topics: Sequence[OffsetFetchRequestTopics], context: RequestContext
) -> list[TopicPartitions]:
    named = ((_name(topic, context), topic.partition_indexes) for topic in topics)
    return [
        TopicPartitions(name, indexes, _topic_id(name, context))
        for name, indexes in named
        if name is not None
    ]


def _topic_id(name: str, context: RequestContext) -> bytes:
    """Returns the current id of the topic; empty if it is unknown."""
    topic = context.backends.view.topic(name)
    return b"" if topic is None else topic.topic_id


def _by_topic(
    requested: Sequence[TopicPartitions] | None, fetched: FetchedOffsets
) -> Iterator[tuple[str, list[CommittedOffset]]]:
    """Yields each requested topic, also without partitions (KafkaApis); all topics for None."""
    if requested is None:
        for name, of_topic in groupby(fetched.offsets, key=lambda one: one.topic):
            yield name, list(of_topic)
        return
    offsets = iter(fetched.offsets)
    for topic in requested:
        yield topic.topic, list(islice(offsets, len(topic.partitions)))


def _topics(
    requested: Sequence[TopicPartitions] | None, fetched: FetchedOffsets, context: RequestContext
) -> list[OffsetFetchResponseTopics]:
    found: list[OffsetFetchResponseTopics] = []
    for name, offsets in _by_topic(requested, fetched):
        topic = context.backends.view.topic(name)
        if topic is None and context.api_version >= _TOPIC_IDS_SINCE:
            # The topic was deleted meanwhile and has no id.
            continue
        found.append(
            OffsetFetchResponseTopics(
                name=name,
                topic_id=ZERO_UUID if topic is None else topic.topic_id,
                partitions=[_partition(committed) for committed in offsets],
            )
        )
    return found


def _partition(committed: CommittedOffset) -> OffsetFetchResponsePartitions:
    return OffsetFetchResponsePartitions(
        partition_index=committed.partition,
        committed_offset=committed.offset,
        committed_leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
        error_code=GROUP_ERRORS[committed.refusal],
    )


def _unknown(requested: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics:
    return OffsetFetchResponseTopics(
        topic_id=requested.topic_id,
        partitions=[
            OffsetFetchResponsePartitions(
                partition_index=index, error_code=ErrorCode.UNKNOWN_TOPIC_ID
            )
            for index in requested.partition_indexes
        ],
    )

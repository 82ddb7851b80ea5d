"""OffsetFetch: where groups will go on reading; one group up to version 7, several from 8 on."""

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
from gateway_svc.dispatch.coordinator_call import refuse_if_unavailable
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

#: Since this version several groups may be asked for (KIP-709).
_SEVERAL_SINCE: Final = 8
#: Since this version topics are named by their ids.
_TOPIC_IDS_SINCE: Final = 10


@refuse_if_unavailable(OFFSET_FETCH)
async def offset_fetch(request: OffsetFetchRequest, context: RequestContext) -> OffsetFetchResponse:
    if context.api_version >= _SEVERAL_SINCE:
        groups = await gather_bounded(
            lambda one: _group(one, request.require_stable, context), _asked_once(request.groups)
        )
        return OffsetFetchResponse(groups=groups)
    asked = (
        None
        if request.topics is None
        else [
            TopicPartitions(one.name, one.partition_indexes, _topic_id(one.name, context))
            for one in request.topics
        ]
    )
    fetched = await context.backends.coordinators.call(
        FetchOffsets(request.group_id, asked, require_stable=request.require_stable)
    )
    if fetched.refusal is not None:
        return OFFSET_FETCH.refuse(request, GROUP_ERRORS[fetched.refusal])
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name=name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=one.partition,
                        committed_offset=one.offset,
                        committed_leader_epoch=one.leader_epoch,
                        metadata=one.metadata,
                        error_code=GROUP_ERRORS[one.refusal],
                    )
                    for one in offsets
                ],
            )
            for name, offsets in _by_topic(asked, fetched)
        ]
    )


def _asked_once(groups: Sequence[OffsetFetchRequestGroup]) -> list[OffsetFetchRequestGroup]:
    """Without repetitions of groups of which all offsets are asked: there may be thousands."""
    all_of: set[str] = set()
    once = []
    for one in groups:
        if one.topics is None:
            if one.group_id in all_of:
                continue
            all_of.add(one.group_id)
        once.append(one)
    return once


async def _group(
    asked: OffsetFetchRequestGroup, require_stable: bool, context: RequestContext
) -> OffsetFetchResponseGroup:
    unknown = [one for one in asked.topics or () if _name(one, context) is None]
    known = None if asked.topics is None else _known(asked.topics, context)
    fetched = await _fetched(
        FetchOffsets(
            asked.group_id,
            known,
            asked.member_id,
            asked.member_epoch,
            require_stable,
        ),
        context,
    )
    if fetched.refusal is not None:
        error_code = GROUP_ERRORS[fetched.refusal]
        return OffsetFetchResponseGroup(group_id=asked.group_id, topics=[], error_code=error_code)
    return OffsetFetchResponseGroup(
        group_id=asked.group_id,
        topics=[*_topics(known, fetched, context), *(_unknown(one) for one in unknown)],
    )


async def _fetched(asked: FetchOffsets, context: RequestContext) -> FetchedOffsets:
    """A coordinator that does not answer is the trouble of its own groups only."""
    try:
        return await context.backends.coordinators.call(asked)
    except BackendUnavailable:
        return FetchedOffsets(refusal=GroupRefusal.COORDINATOR_NOT_AVAILABLE)


def _name(asked: OffsetFetchRequestTopics, context: RequestContext) -> str | None:
    """None for a topic id that no topic has."""
    if context.api_version < _TOPIC_IDS_SINCE:
        return asked.name
    topic = context.backends.view.topic_by_id(asked.topic_id)
    return None if topic is None else topic.name


def _known(
    topics: Sequence[OffsetFetchRequestTopics], context: RequestContext
) -> list[TopicPartitions]:
    named = ((_name(one, context), one.partition_indexes) for one in topics)
    return [
        TopicPartitions(name, indexes, _topic_id(name, context))
        for name, indexes in named
        if name is not None
    ]


def _topic_id(name: str, context: RequestContext) -> bytes:
    """The id for which offsets of the topic count; empty where it is not known here."""
    topic = context.backends.view.topic(name)
    return b"" if topic is None else topic.topic_id


def _by_topic(
    asked: Sequence[TopicPartitions] | None, fetched: FetchedOffsets
) -> Iterator[tuple[str, list[CommittedOffset]]]:
    """Each topic that was asked for, also without partitions (KafkaApis); all for None."""
    if asked is None:
        for name, of_topic in groupby(fetched.offsets, key=lambda one: one.topic):
            yield name, list(of_topic)
        return
    offsets = iter(fetched.offsets)
    for topic in asked:
        yield topic.topic, list(islice(offsets, len(topic.partitions)))


def _topics(
    asked: Sequence[TopicPartitions] | None, fetched: FetchedOffsets, context: RequestContext
) -> list[OffsetFetchResponseTopics]:
    found: list[OffsetFetchResponseTopics] = []
    for name, offsets in _by_topic(asked, fetched):
        topic = context.backends.view.topic(name)
        if topic is None and context.api_version >= _TOPIC_IDS_SINCE:
            # Of a topic that was deleted a moment ago: it has no id to be told by.
            continue
        found.append(
            OffsetFetchResponseTopics(
                name=name,
                topic_id=ZERO_UUID if topic is None else topic.topic_id,
                partitions=[_partition(one) for one in offsets],
            )
        )
    return found


def _partition(one: CommittedOffset) -> OffsetFetchResponsePartitions:
    return OffsetFetchResponsePartitions(
        partition_index=one.partition,
        committed_offset=one.offset,
        committed_leader_epoch=one.leader_epoch,
        metadata=one.metadata,
        error_code=GROUP_ERRORS[one.refusal],
    )


def _unknown(asked: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics:
    return OffsetFetchResponseTopics(
        topic_id=asked.topic_id,
        partitions=[
            OffsetFetchResponsePartitions(
                partition_index=index, error_code=ErrorCode.UNKNOWN_TOPIC_ID
            )
            for index in asked.partition_indexes
        ],
    )

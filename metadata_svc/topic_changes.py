"""Creation and deletion of topics: decides, stores, and waits until every watcher knows."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from common.cluster.view import ClusterView
from common.kv.store import KvStoreFailed
from common.ports.metadata import NewTopic, Topic, TopicRefusal, TopicResult
from metadata_svc.change_log import ChangeLog
from metadata_svc.members.members import MemberRegistry
from metadata_svc.moves import phases
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation
from metadata_svc.topics.create import Creation, Defaults
from metadata_svc.topics.delete import decide_deletion
from metadata_svc.watch.hub import WatchHub

log = logging.getLogger(__name__)

#: Acknowledgements take milliseconds, and librdkafka does not wait at all by default: its users are
#: better served by a topic that works than by a response this much earlier.
ACKNOWLEDGE_WAIT_MS_MIN = 500

#: Outcomes after which the topic is in the requested state.
_EFFECTIVE: Final = frozenset({None, TopicRefusal.TOPIC_ALREADY_EXISTS})

_NAMES_SHOWN_MAX: Final = 5


class TopicChanges:
    """Implements `create_topics` and `delete_topics` of `common.ports.metadata.Metadata`."""

    def __init__(  # noqa: PLR0913 - the parts of a metadata service, each named by its caller
        self,
        *,
        view: ClusterView,
        defaults: Defaults,
        change_log: ChangeLog,
        members: MemberRegistry,
        member_table: MemberTable,
        hub: WatchHub,
        on_deleted: Callable[[Iterable[bytes]], None],
    ) -> None:
        """`on_deleted` is called with the ids of topics whose deletion is durable."""
        self._view = view
        self._defaults = defaults
        self._change_log = change_log
        self._members = members
        self._member_table = member_table
        self._hub = hub
        self._on_deleted = on_deleted

    async def create(
        self, topics: Sequence[NewTopic], *, timeout_ms: int, validate_only: bool
    ) -> list[TopicResult]:
        """Creates topics. Waits for watchers also where a topic exists already.

        So a client that loses a race to create a topic can use it as soon as the winner can. Where
        no partition service is alive, the time is spent on waiting for one.
        """
        if validate_only:
            return self._decide_creation(topics)
        deadline = _deadline(timeout_ms)
        await self._members.wait_for_expected(deadline)
        await self._members.wait_for_owner(deadline)
        results = await self._change_log.run_exclusive(lambda: self._create(topics))
        return await self._when_acknowledged(results, deadline)

    async def delete(
        self, names: Sequence[str], topic_ids: Sequence[bytes], *, timeout_ms: int
    ) -> list[TopicResult]:
        """Deletes topics, and ends their moves."""
        deadline = _deadline(timeout_ms)
        await self._members.wait_for_expected(deadline)
        results = await self._change_log.run_exclusive(lambda: self._delete(names, topic_ids))
        return await self._when_acknowledged(results, deadline)

    def _decide_creation(self, topics: Sequence[NewTopic]) -> list[TopicResult]:
        creation = Creation(
            self._view,
            self._defaults,
            owners=self._members.placeable,
            loads=self._member_table.loads(),
            live_gateways=self._members.live_gateways,
        )
        return creation.decide(topics)

    async def _create(self, requested: Sequence[NewTopic]) -> list[TopicResult]:
        results = self._decide_creation(requested)
        return await self._commit(results, Mutation(topics=_accepted(results)), "create")

    async def _delete(self, names: Sequence[str], topic_ids: Sequence[bytes]) -> list[TopicResult]:
        results = decide_deletion(self._view, names, topic_ids)
        topics = _accepted(results)
        gone = {topic.topic_id for topic in topics}
        moves = [move for move in self._view.moves if move.topic_id in gone]
        ended = phases.apply(self._view, moves, phases.MoveEvent.TOPIC_DELETED)
        mutation = Mutation(deleted_topics=topics, ended_moves=ended.ended_moves)
        results = await self._commit(results, mutation, "delete")
        self._on_deleted(topic.topic_id for topic in _accepted(results))
        return results

    async def _commit(
        self, results: list[TopicResult], mutation: Mutation, action: str
    ) -> list[TopicResult]:
        """Stores all accepted topics in one change. `action` is a verb for log lines."""
        topics = _accepted(results)
        if not topics:
            return results
        try:
            revision = await self._change_log.commit(mutation)
        except KvStoreFailed as error:
            log.error("failed to %s %s: %s", action, _names(topics), error)
            return _refused(results, TopicRefusal.STORAGE_ERROR, "The change could not be stored.")
        log.info("%sd %s, revision %d", action, _names(topics), revision)
        return results

    async def _when_acknowledged(
        self, results: list[TopicResult], deadline: float
    ) -> list[TopicResult]:
        """Returns `results` once every live watcher has applied them; TIMED_OUT at `deadline`."""
        if not any(result.refusal in _EFFECTIVE for result in results):
            return results
        if await self._hub.wait_all_acknowledged(self._view.revision, deadline=deadline):
            return results
        return _refused(
            results, TopicRefusal.TIMED_OUT, "The change is made, but not yet known everywhere."
        )


def _deadline(timeout_ms: int) -> float:
    """Returns the end of a request in loop time."""
    wait_s = max(timeout_ms, ACKNOWLEDGE_WAIT_MS_MIN) / 1000
    return asyncio.get_running_loop().time() + wait_s


def _accepted(results: Sequence[TopicResult]) -> list[Topic]:
    return [
        result.topic for result in results if result.refusal is None and result.topic is not None
    ]


def _refused(
    results: Sequence[TopicResult], refusal: TopicRefusal, message: str
) -> list[TopicResult]:
    """Returns `results` with every success turned into `refusal`."""
    return [
        replace(result, refusal=refusal, message=message) if result.refusal is None else result
        for result in results
    ]


def _names(topics: Sequence[Topic]) -> str:
    """Returns the names for log lines: "topics a, b and 998 more"."""
    shown = ", ".join(topic.name for topic in topics[:_NAMES_SHOWN_MAX])
    more = len(topics) - _NAMES_SHOWN_MAX
    return f"topics {shown} and {more} more" if more > 0 else f"topics {shown}"

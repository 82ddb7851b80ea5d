"""The metadata service without a network: implements the port `common.ports.metadata.Metadata`.

Its `ring` implements the port `common.ports.moves.Ring`.

Used directly where everything runs in one process, and by the servicer. All of its state in memory
is a `ClusterView`, the same that every watcher builds from what it is told.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import time_ns

from common.cluster.view import ClusterView
from common.kv.store import KvStore, KvStoreFailed
from common.ports.metadata import (
    ClusterChange,
    NewTopic,
    ProducerIdBlock,
    Registration,
    Topic,
    TopicRefusal,
    TopicResult,
)
from common.ports.moves import MemberProcess
from common.ports.unavailable import BackendUnavailable, ProcessReplaced
from metadata_svc.change_log import ChangeLog
from metadata_svc.members.admission import process_refusal
from metadata_svc.members.members import MemberRegistry, RegisteredWatch
from metadata_svc.moves import phases
from metadata_svc.moves.scheduler import MoveScheduler, RingPolicy
from metadata_svc.pauses import Pauses
from metadata_svc.ring import LocalRing
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.mutation import Mutation
from metadata_svc.state.producer_ids import ProducerIdBlocks, first_after_start
from metadata_svc.state.store import State, StateStore
from metadata_svc.topics.create import Creation, Defaults
from metadata_svc.topics.delete import decide_deletion
from metadata_svc.watch.hub import WatchHub

log = logging.getLogger(__name__)

#: Acknowledgements take milliseconds, and librdkafka's default is to ask for no wait at all: its
#: users are better served by a topic that works than by an answer this much earlier.
ACKNOWLEDGE_WAIT_MS_MIN = 500


class LocalMetadata:
    """Open it, use it as `Metadata`, close it. `view` is the cluster as it is now."""

    def __init__(
        self,
        store: KvStore,
        *,
        defaults: Defaults,
        lease_ms: int,
        ring_policy: RingPolicy | None = None,
    ) -> None:
        """Nothing is read yet. The store becomes this core's own.

        `lease_ms` is how long a watcher lives without being heard of. Hearing is the business of
        whoever puts this on a network; inside a process a watcher lives until it is closed.
        """
        self.lease_ms = lease_ms
        self.pauses = Pauses(lease_ms=lease_ms)
        self.view = ClusterView()
        self._defaults = defaults
        self._hub = WatchHub(self.view)
        self._member_table = MemberTable()
        self._change_log = ChangeLog(StateStore(store), self.view, self._member_table, self._hub)
        policy = ring_policy or RingPolicy()
        self._members = MemberRegistry(
            self.view,
            self._member_table,
            self._hub,
            self._change_log,
            pauses=self.pauses,
            joins=policy.joins,
        )
        self._scheduler = MoveScheduler(
            self.view, self._member_table, self._change_log, self._members, policy
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.ring = LocalRing(
            self.view, self._member_table, self._change_log, self._members, self._scheduler
        )
        self._members.on_members_changed = self._scheduler.wake
        self._members.on_report = self.ring.take_report
        self._members.unwritable = lambda: self._scheduler.reports.unwritable
        self._producer_ids = ProducerIdBlocks(0, self._change_log.save_next_producer_id)

    async def open(self, *, broker_configs: Mapping[str, str]) -> None:
        """Reads what is kept. `broker_configs` are told to every watcher.

        Raises:
            KvStoreFailed: the store cannot be read, or another release wrote it.
        """
        state = await self._change_log.load()
        save = self._change_log.save_next_producer_id
        first = first_after_start(state.next_producer_id, now_ms=time_ns() // 1_000_000)
        self._producer_ids = ProducerIdBlocks(first, save)
        self.view.apply(_snapshot(state, broker_configs))
        self._member_table.load(state)
        self._members.expect(state.live, lease_ms=self.lease_ms)
        self._tasks = [
            asyncio.create_task(self._scheduler.run()),
            asyncio.create_task(self.pauses.run()),
        ]
        topic_count = len(state.topics)
        log.info(
            "cluster %s: revision %d, %d topics", state.cluster_id, state.revision, topic_count
        )

    def on_moves_working(self, tell: Callable[[bool], None]) -> None:
        """Calls `tell` now, and whenever moves stop to be planned and recorded or work again."""
        self._scheduler.on_trouble = lambda trouble: tell(not trouble)
        tell(not self._scheduler.trouble)

    def end_watches(self) -> None:
        """To be called before whoever watches is cut off: that would look as if they had left."""
        self._members.stop("the metadata service is stopping")

    async def close(self) -> None:
        """Ends every watch, lets changes under way end, and closes the store."""
        self.end_watches()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._change_log.close()

    def watch(self, registration: Registration) -> RegisteredWatch:
        return RegisteredWatch(self._members, registration)

    async def create_topics(
        self, topics: Sequence[NewTopic], *, timeout_ms: int, validate_only: bool = False
    ) -> list[TopicResult]:
        """As the port says. A topic that exists already is waited for too.

        So whoever loses a race to create a topic can use it as soon as the winner can. Where no
        partition service lives the time is spent on waiting for one.
        """
        if validate_only:
            return self._decide_creation(topics)
        deadline = _deadline(timeout_ms)
        await self._members.wait_for_expected(deadline)
        await self._members.wait_for_owner(deadline)
        results = await self._change_log.run_exclusive(lambda: self._create(topics))
        return await self._when_known(results, deadline)

    async def delete_topics(
        self, names: Sequence[str] = (), topic_ids: Sequence[bytes] = (), *, timeout_ms: int
    ) -> list[TopicResult]:
        deadline = _deadline(timeout_ms)
        await self._members.wait_for_expected(deadline)
        results = await self._change_log.run_exclusive(lambda: self._delete(names, topic_ids))
        return await self._when_known(results, deadline)

    async def allocate_producer_ids(self) -> ProducerIdBlock:
        try:
            return await self._change_log.run_exclusive(self._producer_ids.allocate)
        except KvStoreFailed as error:
            raise BackendUnavailable(f"no producer ids: {error}") from error

    async def renew_volume_token(self, process: MemberProcess, token: str) -> None:
        try:
            await self._change_log.run_exclusive(lambda: self._renew_volume_token(process, token))
        except KvStoreFailed as error:
            raise BackendUnavailable(f"the token is not recorded: {error}") from error

    async def _renew_volume_token(self, process: MemberProcess, token: str) -> None:
        reason = process_refusal(self.view, process.name, process)
        if reason is not None:
            raise ProcessReplaced(reason)
        await self._change_log.save_volume_token(process.name, token)

    def _decide_creation(self, asked: Sequence[NewTopic]) -> list[TopicResult]:
        creation = Creation(
            self.view,
            self._defaults,
            owners=self._members.placeable,
            loads=self._member_table.loads(),
            live_gateways=self._members.live_gateways,
        )
        return creation.decide(asked)

    async def _create(self, asked: Sequence[NewTopic]) -> list[TopicResult]:
        results = self._decide_creation(asked)
        topics = _accepted(results)
        return await self._commit(results, Mutation(topics=topics), f"created {_names(topics)}")

    async def _delete(self, names: Sequence[str], topic_ids: Sequence[bytes]) -> list[TopicResult]:
        results = decide_deletion(self.view, names, topic_ids)
        topics = _accepted(results)
        gone = {topic.topic_id for topic in topics}
        moves = [move for move in self.view.moves if move.topic_id in gone]
        ended = phases.apply(self.view, moves, phases.MoveEvent.TOPIC_DELETED)
        mutation = Mutation(topics_gone=topics, moves_gone=ended.moves_gone)
        results = await self._commit(results, mutation, f"deleted {_names(topics)}")
        self._scheduler.forget_topics(topic.topic_id for topic in _accepted(results))
        return results

    async def _commit(
        self, results: list[TopicResult], mutation: Mutation, action: str
    ) -> list[TopicResult]:
        """Does what was decided, all of it in one change."""
        if not _accepted(results):
            return results
        try:
            revision = await self._change_log.commit(mutation)
        except KvStoreFailed as error:
            log.error("not %s: %s", action, error)
            return _refused(results, TopicRefusal.STORAGE_ERROR, "The change could not be stored.")
        log.info("%s, revision %d", action, revision)
        return results

    async def _when_known(self, results: list[TopicResult], deadline: float) -> list[TopicResult]:
        """`results`, once every live watcher knows of them."""
        if not any(one.refusal in _KNOWN_TOPIC for one in results):
            return results
        if await self._hub.wait_all_acknowledged(self.view.revision, deadline=deadline):
            return results
        return _refused(
            results, TopicRefusal.TIMED_OUT, "The change is made, but not yet known everywhere."
        )


def _deadline(timeout_ms: int) -> float:
    """In loop time."""
    wait_s = max(timeout_ms, ACKNOWLEDGE_WAIT_MS_MIN) / 1000
    return asyncio.get_running_loop().time() + wait_s


#: Outcomes after which the topic is in the state that was asked for.
_KNOWN_TOPIC = {None, TopicRefusal.TOPIC_ALREADY_EXISTS}


def _accepted(results: Sequence[TopicResult]) -> list[Topic]:
    return [one.topic for one in results if one.refusal is None and one.topic is not None]


def _refused(
    results: Sequence[TopicResult], refusal: TopicRefusal, message: str
) -> list[TopicResult]:
    """`results`, with every success turned into `refusal`."""
    return [
        replace(one, refusal=refusal, message=message) if one.refusal is None else one
        for one in results
    ]


_NAMES_SHOWN_MAX = 5


def _names(topics: Sequence[Topic]) -> str:
    """For log lines: "topics a, b and 998 more"."""
    shown = ", ".join(topic.name for topic in topics[:_NAMES_SHOWN_MAX])
    more = len(topics) - _NAMES_SHOWN_MAX
    return f"topics {shown} and {more} more" if more > 0 else f"topics {shown}"


def _snapshot(state: State, broker_configs: Mapping[str, str]) -> ClusterChange:
    return ClusterChange(
        revision=state.revision,
        cluster_id=state.cluster_id,
        is_snapshot=True,
        topics=state.topics,
        members=state.members,
        moves=state.moves,
        topics_gone=state.deleted_topics,
        broker_configs=broker_configs,
    )

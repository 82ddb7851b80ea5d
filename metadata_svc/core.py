"""The metadata service without a network: implements the port `common.ports.metadata.Metadata`.

Its `ring` implements the port `common.ports.moves.Ring`.

Used directly where all services run in one process, and by the servicer. Its state in memory is a
`ClusterView`, the same that every watcher builds from the changes that it receives.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from time import time_ns

from common.cluster.view import ClusterView
from common.kv.store import KvStore, KvStoreFailed
from common.ports.metadata import (
    ClusterChange,
    NewTopic,
    ProducerIdBlock,
    Registration,
    TopicResult,
)
from common.ports.moves import MemberProcess
from common.ports.unavailable import BackendUnavailable, ProcessReplaced
from common.runtime.notifier import Notifier
from metadata_svc.change_log import ChangeLog
from metadata_svc.members.admission import process_refusal
from metadata_svc.members.members import MemberRegistry, RegisteredWatch
from metadata_svc.moves.load_reports import LoadReports
from metadata_svc.moves.scheduler import MoveScheduler, RingPolicy
from metadata_svc.pauses import Pauses
from metadata_svc.ring import LocalRing
from metadata_svc.state.member_table import MemberTable
from metadata_svc.state.producer_ids import ProducerIdBlocks, first_after_start
from metadata_svc.state.store import State, StateStore
from metadata_svc.topic_changes import TopicChanges
from metadata_svc.topics.create import Defaults
from metadata_svc.watch.hub import WatchHub

log = logging.getLogger(__name__)


class LocalMetadata:
    """The parts of a metadata service put together. `view` is the cluster as it is now."""

    def __init__(
        self,
        store: KvStore,
        *,
        defaults: Defaults,
        lease_ms: int,
        ring_policy: RingPolicy | None = None,
    ) -> None:
        """Takes over the store, and reads nothing yet.

        `lease_ms` is how long a watcher counts as alive without a message. The servicer enforces
        it; inside a process a watcher is alive until it is closed.
        """
        self.lease_ms = lease_ms
        self.pauses = Pauses(lease_ms=lease_ms)
        self.view = ClusterView()
        self._hub = WatchHub(self.view)
        self._member_table = MemberTable()
        self._change_log = ChangeLog(StateStore(store), self.view, self._member_table, self._hub)
        self._members, self._scheduler = self._create_scheduler(ring_policy or RingPolicy())
        #: Notified when moves stop, and when they work again; see `are_moves_working`.
        self.moves_working_changed = self._scheduler.working_changed
        self.ring = LocalRing(
            self.view, self._member_table, self._change_log, self._members, self._scheduler
        )
        self._topics = TopicChanges(
            view=self.view,
            defaults=defaults,
            change_log=self._change_log,
            members=self._members,
            member_table=self._member_table,
            hub=self._hub,
            on_deleted=self._scheduler.forget_topics,
        )
        self._producer_ids = ProducerIdBlocks(0, self._change_log.save_next_producer_id)
        self._tasks: list[asyncio.Task[None]] = []

    def _create_scheduler(self, policy: RingPolicy) -> tuple[MemberRegistry, MoveScheduler]:
        """Returns the members and the scheduler of their moves, which share load reports."""
        # Notified when there may be work for the scheduler.
        changes = Notifier()
        reports = LoadReports(self.view, on_change=changes.notify_all)
        members = MemberRegistry(
            self.view,
            self._member_table,
            self._hub,
            self._change_log,
            reports,
            pauses=self.pauses,
            joins=policy.joins,
            on_members_changed=changes.notify_all,
        )
        scheduler = MoveScheduler(
            self.view,
            self._member_table,
            self._change_log,
            members,
            reports,
            policy,
            changes=changes,
        )
        return members, scheduler

    async def open(self, *, broker_configs: Mapping[str, str]) -> None:
        """Reads the stored state. `broker_configs` are sent to every watcher.

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

    @property
    def are_moves_working(self) -> bool:
        """False while moves cannot be planned and recorded."""
        return not self._scheduler.trouble

    def end_watches(self) -> None:
        """Must be called before the server stops: closed streams would look like departures."""
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
        return await self._topics.create(topics, timeout_ms=timeout_ms, validate_only=validate_only)

    async def delete_topics(
        self, names: Sequence[str] = (), topic_ids: Sequence[bytes] = (), *, timeout_ms: int
    ) -> list[TopicResult]:
        return await self._topics.delete(names, topic_ids, timeout_ms=timeout_ms)

    async def allocate_producer_ids(self) -> ProducerIdBlock:
        try:
            return await self._change_log.run_exclusive(self._producer_ids.allocate)
        except KvStoreFailed as error:
            raise BackendUnavailable(f"cannot allocate producer ids: {error}") from error

    async def renew_volume_token(self, process: MemberProcess, token: str) -> None:
        try:
            await self._change_log.run_exclusive(lambda: self._renew_volume_token(process, token))
        except KvStoreFailed as error:
            raise BackendUnavailable(f"cannot record the volume token: {error}") from error

    async def _renew_volume_token(self, process: MemberProcess, token: str) -> None:
        reason = process_refusal(self.view, process.name, process)
        if reason is not None:
            raise ProcessReplaced(reason)
        await self._change_log.save_volume_token(process.name, token)


def _snapshot(state: State, broker_configs: Mapping[str, str]) -> ClusterChange:
    return ClusterChange(
        revision=state.revision,
        cluster_id=state.cluster_id,
        is_snapshot=True,
        topics=state.topics,
        members=state.members,
        moves=state.moves,
        deleted_topics=state.deleted_topics,
        broker_configs=broker_configs,
    )

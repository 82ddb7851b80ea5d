"""The port `Partitions` at the owner of logs: appends, fetches, look-ups, descriptions.

Used in process by standalone mode, and by the gRPC servicer. All calls come from one event loop.
"""

import asyncio
import contextlib
from asyncio import Future
from collections.abc import Sequence

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange
from common.ports.moves import DiskState, MemberProcess
from common.ports.partitions import (
    Append,
    AppendResult,
    EpochEndOffset,
    EpochQuery,
    FetchQuery,
    FetchResult,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
    Refusal,
    SubmittedAppend,
)
from common.runtime.observers import Observers
from partition_svc.background import BackgroundTasks
from partition_svc.config import PartitionSettings
from partition_svc.log.commit.append import Appender
from partition_svc.log.commit.committer import Committer
from partition_svc.log.commit.disk_thread import DiskThread
from partition_svc.log.commit.recovery import Recovery
from partition_svc.log.read.epoch_lookup import EpochLookup
from partition_svc.log.read.fetch import Fetcher
from partition_svc.log.read.log_descriptions import LogDescriptions
from partition_svc.log.read.log_sizes import LogSizes
from partition_svc.log.read.offset_lookup import OffsetLookup
from partition_svc.log.registry import LogRegistry
from partition_svc.log.tail_cache import TailCache
from partition_svc.log.transfer.copy_markers import CopyMarkers
from partition_svc.log.transfer.incoming import IncomingLogs
from partition_svc.log.transfer.outgoing import OutgoingLogs
from partition_svc.log.volume import Volume
from partition_svc.store.cluster_claim import claim
from partition_svc.store.failures import StorageFailed
from partition_svc.store.identity import Identity
from partition_svc.store.log_store import LogStore


class LocalPartitions:
    """All partition logs of one member: create it, `start` it, `apply` changes, `close` it."""

    def __init__(self, store: LogStore, settings: PartitionSettings) -> None:
        self._store = store
        self._member = settings.member
        self._disk = DiskThread()
        self._committer = Committer(store, self._disk)
        self.volume = Volume(store, self._committer)
        markers = CopyMarkers(self._committer, store)
        self._registry = LogRegistry(
            store,
            TailCache(settings.tail_cache_bytes),
            member=settings.member,
            producer_expiration_ms=settings.producer_expiration_ms,
            validates_records=settings.validate_records == "full",
            markers=markers.by_log,
        )
        store.read_failures.name_of = self._registry.name
        #: Incoming copies of moving logs.
        self.incoming = IncomingLogs(self._committer, store, markers, self._registry.config)
        #: Notified when the set of served logs may have changed; see `serving_epoch`.
        self.serving_changed = Observers()
        disk_full = Observers()
        recovery = Recovery(
            self._committer, store, self._disk, self._on_recovered, on_full=disk_full.notify
        )
        self._recovery = recovery
        self._background = BackgroundTasks(
            self._registry, self._committer, recovery, store, settings
        )
        disk_full.subscribe(self._background.maintenance.reclaim_soon)
        self.outgoing = OutgoingLogs(
            self._registry,
            self._committer,
            recovery,
            store,
            on_fenced=self.serving_changed.notify,
        )
        self._open_requests(store, settings)
        self._cluster_id = ""

    def _open_requests(self, store: LogStore, settings: PartitionSettings) -> None:
        """Creates the objects that execute the calls of the port."""
        find = self._registry.find
        self._appender = Appender(
            self._registry,
            self._committer,
            must_sync=settings.acks_all_durability == "sync",
        )
        self._fetcher = Fetcher(
            find, store, self._recovery, fetch_bytes_max=settings.fetch_bytes_max
        )
        self._offsets = OffsetLookup(find, store)
        self._epochs = EpochLookup(find, store)
        self.sizes = LogSizes(self._registry, self._recovery, store)
        self._descriptions = LogDescriptions(
            find,
            count_producers=self._background.producers.count,
            uncleanable_reason=self._background.cleaner.uncleanable.reason,
        )

    @property
    def identity(self) -> Identity:
        """Identity of the data directory, and the number of its openings."""
        return self._store.identity

    @property
    def process(self) -> MemberProcess:
        """This process of the member, for calls that only the registered process may make."""
        return MemberProcess(self._member, self.identity.opening_id)

    @property
    def view(self) -> ClusterView:
        """The cluster as of the last applied change."""
        return self._registry.view

    def start(self) -> None:
        self._background.start()

    def apply(self, change: ClusterChange) -> None:
        """Applies a change of topics, configs or placement.

        Raises:
            WrongCluster: the data here belongs to another cluster, and must not be touched.
            MetadataBehind: the metadata is older than what was applied to the data here.
        """
        self.volume.check(change)
        if change.cluster_id != self._cluster_id:
            claim(self._store, change.cluster_id)
            self._cluster_id = change.cluster_id
        self._registry.apply(change)
        self.volume.on_applied(change)
        if change.is_snapshot or change.deleted_topics:
            self._background.maintenance.delete_soon()
        self.serving_changed.notify()

    def owns(self, log: LogId) -> bool:
        return self._registry.owns(log)

    def serving_epoch(self, log: LogId) -> int | None:
        """Leader epoch under which the log accepts appends here; None if it accepts none."""
        try:
            found = self._registry.find(log)
        except StorageFailed:
            return None
        if isinstance(found, Refusal) or found.is_fenced:
            return None
        return found.leader_epoch

    def learn_ownership(self, log: LogId, leader_epoch: int) -> None:
        """Records a committed move: the log is served before `apply` receives the change."""
        self._registry.record_ownership(log, leader_epoch)
        self.serving_changed.notify()

    def disk_state(self) -> DiskState:
        """Free space for incoming copies, and whether appends are accepted.

        Raises:
            StorageFailed: the disk cannot be read.
        """
        return DiskState(self.incoming.room_bytes, self._committer.refusal is None)

    async def delete_log(self, log: LogId) -> None:
        """Deletes the data of a log, unless this member serves it by then.

        Raises:
            StorageFailed: nothing is deleted; call it again later.
        """
        await self.incoming.delete(log, unless=lambda: self._registry.serves(log))
        self._background.maintenance.reclaim_soon()
        # A partial copy may have blocked the log.
        self.serving_changed.notify()

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """Assigns offsets at once; see the port. The future is done when all batches are stored."""
        return self._appender.append(appends, acks=acks)

    def append_one(
        self, log: LogId, batch: bytes | memoryview, leader_epoch: int, *, acks: int
    ) -> SubmittedAppend:
        """Assigns the offset at once; see the port."""
        return self._appender.append_one(log, batch, leader_epoch, acks=acks)

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        return await self._fetcher.fetch(query)

    async def list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        await self._recovery.until_readable()
        return await self._offsets.look_up_all(queries)

    async def epoch_end_offsets(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        await self._recovery.until_readable()
        return await self._epochs.look_up_all(queries)

    async def describe_logs(self, logs: Sequence[LogId]) -> list[LogDescription]:
        """Describes `logs`, or all owned logs if it is empty."""
        await self._recovery.until_readable()
        describe = self._descriptions.describe
        return [await describe(log) for log in logs or tuple(self._registry.owned_logs())]

    async def until_broken(self) -> None:
        """Raises the exception that ended a background task; never returns otherwise."""
        await self._background.until_broken()

    async def drain(self) -> None:
        """Refuses new appends, completes pending ones, and completes waiting fetches at once."""
        self._appender.is_draining = True
        self._fetcher.stop_waiting()
        for log in self._registry.logs.values():
            for waiter in log.waiters:
                waiter.wake()
        # A committer that a bug has ended never finishes.
        await self._background.wait_for(asyncio.create_task(self._drain_appends()))

    async def _drain_appends(self) -> None:
        await self._appender.drain()
        await self._committer.drain()

    async def close(self) -> None:
        """Drains, and closes the data directory."""
        await self.drain()
        is_sound = await self._background.stop()
        await self._disk.run(lambda: self._close_store(is_sound=is_sound))
        await self._disk.close()

    def _close_store(self, *, is_sound: bool) -> None:
        with contextlib.suppress(StorageFailed):
            self._store.sync()
            if is_sound:
                self.volume.note_closed()
        self._appender.close()
        self._offsets.close()
        self._background.close()
        self._store.close()

    def _on_recovered(self) -> None:
        if self._registry.reload():
            self.volume.on_records_lost()
            self.serving_changed.notify()
        self.incoming.on_recovered()
        # Logs that could not be deleted meanwhile are found again.
        self._background.maintenance.delete_soon()

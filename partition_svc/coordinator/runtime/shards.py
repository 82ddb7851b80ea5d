"""The shards of the partitions of `__consumer_offsets` that this member owns, and their loading.

A shard belongs to one leader epoch. In the next epoch, or after a failed write, a new one is loaded
from the log, once the log has all records of the previous one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, Protocol, TypeAlias

from common.cluster.group_partitions import group_partition
from common.cluster.view import ClusterView
from common.config.topic_configs import effective_int
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.group_errors import GroupRefusal
from common.ports.partitions import LogId, Partitions
from common.ports.unavailable import BackendUnavailable
from common.runtime.backoff import Backoff
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.group.logged_members import LoadedGroup
from partition_svc.coordinator.runtime.loader import CannotLoad, load
from partition_svc.coordinator.runtime.shard import Shard
from partition_svc.coordinator.runtime.writer import CoordinatorRefused, CoordinatorWriter

log = logging.getLogger(__name__)

GroupShard: TypeAlias = Shard[Group, LoadedGroup]

_AFTER_FAILURE_S: Final = 0.5
#: The first and the longest delay between two attempts to load a shard.
_RETRY_S_FIRST: Final = 0.05
_RETRY_S_MAX: Final = 2.0


class OwnedLogs(Partitions, Protocol):
    """The partition logs of this member, in the same process."""

    @property
    def view(self) -> ClusterView: ...

    def serving_epoch(self, log: LogId) -> int | None:
        """Returns the leader epoch under which the log accepts appends now; None if it does not.

        It changes at once when a partition moves: at the fence, and when the new owner is notified.
        """
        ...


class _Slot:
    """One partition under one leader epoch. `shard` is None while it is being loaded."""

    __slots__ = ("leader_epoch", "loading", "shard")

    def __init__(self, leader_epoch: int) -> None:
        self.leader_epoch = leader_epoch
        self.shard: GroupShard | None = None
        self.loading: asyncio.Task[None] | None = None


class Shards:
    """Call `follow` after every change of the cluster or of ownership, and `drain` at the end."""

    def __init__(
        self,
        logs: OwnedLogs,
        create: Callable[[str], Group],
        *,
        now_ms: Callable[[], int],
        grace_s: Callable[[], float],
    ) -> None:
        """`create` makes an empty group from its id."""
        self._logs = logs
        self._create = create
        self._now_ms = now_ms
        self._grace_s = grace_s
        self._slots: dict[LogId, _Slot] = {}
        #: Closed shards whose last append may be in flight.
        self._closed: dict[LogId, GroupShard] = {}
        self._is_draining = False

    def of(self, group_id: str) -> GroupShard:
        """Returns a group's shard. Raises `CoordinatorRefused` if it is not here, or not yet."""
        topic = None if self._is_draining else self._logs.view.topic(OFFSETS_TOPIC)
        if topic is None:
            raise CoordinatorRefused(GroupRefusal.NOT_COORDINATOR)
        partition = group_partition(group_id, len(topic.partitions))
        return self._at(LogId(topic.topic_id, partition))

    def __iter__(self) -> Iterator[GroupShard]:
        """Iterates over the loaded shards."""
        return iter([slot.shard for slot in self._slots.values() if slot.shard is not None])

    @property
    def are_loading(self) -> bool:
        return any(slot.shard is None for slot in self._slots.values())

    def follow(self) -> None:
        """Loads the partitions that this member owns now, and unloads all others."""
        if self._is_draining:
            return
        topic = self._logs.view.topic(OFFSETS_TOPIC)
        topic_id, count = (b"", 0) if topic is None else (topic.topic_id, len(topic.partitions))
        for log_id in [log_id for log_id in self._slots if log_id.topic_id != topic_id]:
            self._unload(log_id, GroupRefusal.NOT_COORDINATOR)
        for partition in range(count):
            with suppress(CoordinatorRefused):
                self._at(LogId(topic_id, partition))

    async def drain(self) -> None:
        """Refuses waiting requests at once; returns when all writes have their replies."""
        self._is_draining = True
        loading = [slot.loading for slot in self._slots.values() if slot.loading is not None]
        for task in loading:
            task.cancel()
        for shard in self:
            shard.stop(GroupRefusal.NOT_COORDINATOR)
        for shard in self:
            await shard.wait_idle()
        if loading:
            await asyncio.wait(loading)

    def _at(self, log_id: LogId) -> GroupShard:
        leader_epoch = self._logs.serving_epoch(log_id)
        slot = self._slots.get(log_id)
        if slot is not None and slot.leader_epoch != leader_epoch:
            self._unload(log_id, GroupRefusal.NOT_COORDINATOR)
            slot = None
        if leader_epoch is None:
            raise CoordinatorRefused(GroupRefusal.NOT_COORDINATOR)
        if slot is None:
            slot = self._begin(log_id, leader_epoch)
        if slot.shard is None:
            raise CoordinatorRefused(GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
        return slot.shard

    def _begin(self, log_id: LogId, leader_epoch: int) -> _Slot:
        slot = self._slots[log_id] = _Slot(leader_epoch)
        slot.loading = asyncio.get_running_loop().create_task(self._load(log_id, slot))
        return slot

    def _unload(self, log_id: LogId, refusal: GroupRefusal) -> None:
        slot = self._slots.pop(log_id)
        if slot.loading is not None:
            slot.loading.cancel()
        if slot.shard is not None:
            self._closed[log_id] = slot.shard
            slot.shard.close(refusal)

    async def _load(self, log_id: LogId, slot: _Slot) -> None:
        """Retries until the shard is loaded; `_unload` cancels it."""
        previous = self._closed.get(log_id)
        if previous is not None:
            await previous.wait_idle()
            del self._closed[log_id]
            if previous.refusal is GroupRefusal.COORDINATOR_NOT_AVAILABLE:
                # The next write to this disk would probably fail too.
                await asyncio.sleep(_AFTER_FAILURE_S)
        slot.shard, slot.loading = await self._load_shard(log_id, slot.leader_epoch), None

    async def _load_shard(self, log_id: LogId, leader_epoch: int) -> GroupShard:
        backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        while True:
            try:
                groups = await load(self._logs, log_id)
                shard = self._new_shard(log_id, leader_epoch)
                shard.restore(groups)
                return shard
            except (CannotLoad, BackendUnavailable) as error:
                log.debug("cannot load the groups of %s yet: %s", _name(log_id), error)
            except Exception:
                # Clients receive COORDINATOR_LOAD_IN_PROGRESS as long as this lasts.
                log.exception("failed to load the groups of %s; retrying", _name(log_id))
                backoff.skip_to_max()
            await asyncio.sleep(backoff.next_s())

    def _new_shard(self, log_id: LogId, leader_epoch: int) -> GroupShard:
        view = self._logs.view
        shard: GroupShard

        def on_failed(refusal: GroupRefusal) -> None:
            slot = self._slots.get(log_id)
            if slot is not None and slot.shard is shard:
                log.warning("reloads the groups of %s: %s", _name(log_id), refusal.name)
                self._unload(log_id, refusal)
                self.follow()

        writer = CoordinatorWriter(
            self._logs,
            log_id,
            leader_epoch,
            batch_bytes_max=_batch_bytes_max(view, log_id.topic_id),
            on_failed=on_failed,
        )
        shard = Shard(self._create, writer, now_ms=self._now_ms, grace_s=self._grace_s)
        return shard


def _name(log_id: LogId) -> str:
    return f"{OFFSETS_TOPIC}-{log_id.partition}"


def _batch_bytes_max(view: ClusterView, topic_id: bytes) -> Callable[[], int]:
    """Returns a function that returns the current max.message.bytes of the topic."""
    cached = (-1, 0)

    def bytes_max() -> int:
        nonlocal cached
        if cached[0] != view.version:
            topic = view.topic_by_id(topic_id)
            configs = {} if topic is None else topic.configs
            cached = view.version, effective_int("max.message.bytes", configs, view.broker_configs)
        return cached[1]

    return bytes_max

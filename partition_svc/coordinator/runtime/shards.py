"""Which partitions of `__consumer_offsets` are coordinated here, and the loading of each.

A shard lives under one leader epoch. With another epoch, or a write that failed, a new one is made
from the log, when the log holds all that the old one gave to it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, Protocol

from common.cluster.group_partitions import group_partition
from common.cluster.view import ClusterView
from common.config.topic_configs import effective_int
from common.ports.coordinators import OFFSETS_TOPIC
from common.ports.group_errors import GroupRefusal
from common.ports.partitions import LogId, Partitions
from common.ports.unavailable import BackendUnavailable
from common.runtime.backoff import Backoff
from partition_svc.coordinator.runtime.loader import CannotLoad, load
from partition_svc.coordinator.runtime.shard import Shard
from partition_svc.coordinator.runtime.writer import CoordinatorWriter, Refused
from partition_svc.coordinator.settings import GroupSettings

log = logging.getLogger(__name__)

_AFTER_FAILURE_S: Final = 0.5
#: The first and the longest delay between two attempts to load a shard.
_RETRY_S_FIRST: Final = 0.05
_RETRY_S_MAX: Final = 2.0


class Logs(Partitions, Protocol):
    """The partition logs of this member, in process."""

    @property
    def view(self) -> ClusterView: ...

    def serving_epoch(self, log: LogId) -> int | None:
        """The leader epoch under which appends to it are taken here now; None where they are not.

        Known at once when a partition moves: at its fence and when its new owner learns of it.
        """
        ...


class _Slot:
    """One partition under one leader epoch. `shard` None: it is being loaded."""

    __slots__ = ("leader_epoch", "loading", "shard")

    def __init__(self, leader_epoch: int) -> None:
        self.leader_epoch = leader_epoch
        self.shard: Shard | None = None
        self.loading: asyncio.Task[None] | None = None


class Shards:
    """`follow` the cluster's changes, ask `of` for the shard of a group, `drain` at the end."""

    def __init__(
        self,
        logs: Logs,
        settings: GroupSettings,
        *,
        now_ms: Callable[[], int],
        wall_clock: Callable[[], int],
        grace_s: Callable[[], float],
    ) -> None:
        self._logs = logs
        self._settings = settings
        self._now_ms, self._wall_clock = now_ms, wall_clock
        self._grace_s = grace_s
        self._slots: dict[LogId, _Slot] = {}
        #: Shards that were closed, and may have something on its way to the log.
        self._closed: dict[LogId, Shard] = {}
        self._is_draining = False

    def of(self, group_id: str) -> Shard:
        """Raises `Refused`: the group's coordinator is not here, or not yet."""
        topic = None if self._is_draining else self._logs.view.topic(OFFSETS_TOPIC)
        if topic is None:
            raise Refused(GroupRefusal.NOT_COORDINATOR)
        partition = group_partition(group_id, len(topic.partitions))
        return self._at(LogId(topic.topic_id, partition))

    def __iter__(self) -> Iterator[Shard]:
        """Those that are loaded."""
        return iter([slot.shard for slot in self._slots.values() if slot.shard is not None])

    @property
    def are_loading(self) -> bool:
        return any(slot.shard is None for slot in self._slots.values())

    def follow(self) -> None:
        """Something may have come or gone: what is ours now is loaded before it is asked for."""
        if self._is_draining:
            return
        topic = self._logs.view.topic(OFFSETS_TOPIC)
        topic_id, count = (b"", 0) if topic is None else (topic.topic_id, len(topic.partitions))
        for one in [one for one in self._slots if one.topic_id != topic_id]:
            self._unload(one, GroupRefusal.NOT_COORDINATOR)
        for partition in range(count):
            with suppress(Refused):
                self._at(LogId(topic_id, partition))

    async def drain(self) -> None:
        """Whoever waits is told at once; ends when all writes are answered."""
        self._is_draining = True
        loading = [slot.loading for slot in self._slots.values() if slot.loading is not None]
        for task in loading:
            task.cancel()
        for shard in self:
            shard.end(GroupRefusal.NOT_COORDINATOR)
        for shard in self:
            await shard.settled()
        if loading:
            await asyncio.wait(loading)

    def _at(self, wanted: LogId) -> Shard:
        leader_epoch = self._logs.serving_epoch(wanted)
        slot = self._slots.get(wanted)
        if slot is not None and slot.leader_epoch != leader_epoch:
            self._unload(wanted, GroupRefusal.NOT_COORDINATOR)
            slot = None
        if leader_epoch is None:
            raise Refused(GroupRefusal.NOT_COORDINATOR)
        if slot is None:
            slot = self._begin(wanted, leader_epoch)
        if slot.shard is None:
            raise Refused(GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
        return slot.shard

    def _begin(self, wanted: LogId, leader_epoch: int) -> _Slot:
        slot = self._slots[wanted] = _Slot(leader_epoch)
        slot.loading = asyncio.get_running_loop().create_task(self._load(wanted, slot))
        return slot

    def _unload(self, wanted: LogId, refusal: GroupRefusal) -> None:
        slot = self._slots.pop(wanted)
        if slot.loading is not None:
            slot.loading.cancel()
        if slot.shard is not None:
            self._closed[wanted] = slot.shard
            slot.shard.close(refusal)

    async def _load(self, wanted: LogId, slot: _Slot) -> None:
        """Until it is loaded: whoever does not own it any more cancels this."""
        before = self._closed.get(wanted)
        if before is not None:
            await before.settled()
            del self._closed[wanted]
            if before.refusal is GroupRefusal.COORDINATOR_NOT_AVAILABLE:
                # The disk will hardly take the next write either.
                await asyncio.sleep(_AFTER_FAILURE_S)
        slot.shard, slot.loading = await self._loaded(wanted, slot.leader_epoch), None

    async def _loaded(self, wanted: LogId, leader_epoch: int) -> Shard:
        backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        while True:
            try:
                groups = await load(self._logs, wanted)
                shard = self._new_shard(wanted, leader_epoch)
                shard.restore(groups)
                return shard
            except (CannotLoad, BackendUnavailable) as error:
                log.debug("cannot load the groups of %s yet: %s", wanted, error)
            except Exception:
                # Their clients are told to wait, for as long as nothing else helps.
                log.exception("cannot load the groups of %s by a bug; trying again", wanted)
                backoff.skip_to_max()
            await asyncio.sleep(backoff.next_s())

    def _new_shard(self, wanted: LogId, leader_epoch: int) -> Shard:
        view = self._logs.view
        shard: Shard

        def on_failed(refusal: GroupRefusal) -> None:
            slot = self._slots.get(wanted)
            if slot is not None and slot.shard is shard:
                log.warning("groups of %s go back to what the log has: %s", wanted, refusal.name)
                self._unload(wanted, refusal)
                self.follow()

        writing = CoordinatorWriter(
            self._logs,
            wanted,
            leader_epoch,
            batch_bytes_max=_batch_bytes_max(view, wanted.topic_id),
            on_failed=on_failed,
        )
        shard = Shard(
            self._settings,
            self._logs.view,
            writing,
            now_ms=self._now_ms,
            wall_clock=self._wall_clock,
            grace_s=self._grace_s,
        )
        return shard


def _batch_bytes_max(view: ClusterView, topic_id: bytes) -> Callable[[], int]:
    """The topic's max.message.bytes, as of now whenever it is called."""
    known = (-1, 0)

    def bytes_max() -> int:
        nonlocal known
        if known[0] != view.version:
            topic = view.topic_by_id(topic_id)
            configs = {} if topic is None else topic.configs
            known = view.version, effective_int("max.message.bytes", configs, view.broker_configs)
        return known[1]

    return bytes_max

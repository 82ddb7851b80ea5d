"""Deletion of offsets that have expired and of offsets of deleted topics."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from common.ports.metadata import Topic
from partition_svc.coordinator.group.group import Group
from partition_svc.coordinator.records.result import CoordinatorResult
from partition_svc.coordinator.runtime.shards import OwnedLogs, Shards

log = logging.getLogger(__name__)


class OffsetExpiration:
    """Runs periodically and after deletions of topics. Call `follow` when the view changes."""

    def __init__(self, logs: OwnedLogs, shards: Shards, *, retention_check_ms: int) -> None:
        self._logs = logs
        self._shards = shards
        self._check_s = retention_check_ms / 1000
        self._topics: tuple[Topic, ...] = ()
        self._names: dict[bytes, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def start(self) -> None:
        self._begin(self._run())

    async def close(self) -> None:
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def follow(self) -> None:
        """Deletes the offsets of topics that are not in the view any more."""
        view = self._logs.view
        if self._is_closed or not view.has_snapshot or view.topics is self._topics:
            return
        self._topics = view.topics
        names, self._names = self._names, {topic.topic_id: topic.name for topic in view.topics}
        gone_ids = names.keys() - self._names.keys()
        if gone_ids:
            gone_names = {names[topic_id] for topic_id in gone_ids}
            self._begin(self._delete_offsets_of(gone_ids, gone_names))

    async def _run(self) -> None:
        missed: set[bytes | str] = set()
        while True:
            await asyncio.sleep(self._check_s)
            try:
                missed = await self._expire(missed)
            except Exception:
                # The next run may succeed.
                log.exception("failed to delete expired offsets; retrying in %g s", self._check_s)

    async def _expire(self, missed: set[bytes | str]) -> set[bytes | str]:
        """Deletes expired offsets, and those of topics deleted while the group was not loaded.

        An unknown topic may also be too new for this member's view: it must be `missed`, that is
        unknown to the previous run, too. Returns the unknown topics: ids, and names of topics
        whose offsets have no id.
        """
        still_missed: set[bytes | str] = set()

        def is_deleted(name: str, topic_id: bytes) -> bool:
            view = self._logs.view
            known = view.topic_by_id(topic_id) if topic_id else view.topic(name)
            if known is not None:
                return False
            still_missed.add(topic_id or name)
            return (topic_id or name) in missed

        await self._each(Group.expire_offsets)
        await self._each(lambda group, now_ms: group.delete_offsets_of_topics(is_deleted, now_ms))
        return still_missed

    async def _delete_offsets_of(self, ids: set[bytes], names: set[str]) -> None:
        def is_deleted(name: str, topic_id: bytes) -> bool:
            return topic_id in ids if topic_id else name in names

        try:
            await self._each(
                lambda group, now_ms: group.delete_offsets_of_topics(is_deleted, now_ms)
            )
        except Exception:
            # The next periodic run deletes them.
            log.exception("failed to delete the offsets of deleted topics")

    async def _each(self, change: Callable[[Group, int], CoordinatorResult]) -> None:
        """Applies the change to one group after the other, and yields to the loop in between."""
        for shard in self._shards:
            for group_id in shard.group_ids:
                shard.apply(group_id, change)
                await asyncio.sleep(0)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

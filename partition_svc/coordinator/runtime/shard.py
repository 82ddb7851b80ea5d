"""The groups of one partition of `__consumer_offsets`, under one leader epoch.

A group decides (`group.py`), `writer.py` makes the decision durable, and the reply follows. A call
that raises, or whose result cannot be written, is refused, and its group is rolled back to its
records in the log. Other groups are not affected.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from common.ports.group_errors import GroupRefusal
from partition_svc.coordinator.records.fields import MalformedRecord
from partition_svc.coordinator.records.result import CoordinatorResult, PendingReply, Record
from partition_svc.coordinator.runtime.timers import DeadlineQueue
from partition_svc.coordinator.runtime.writer import CoordinatorWriter, RecordTooLarge, ReplyFuture

log = logging.getLogger(__name__)

#: The length of a group id in log lines: clients choose it.
_LOGGED_CHARS: Final = 200

LoadedT_contra = TypeVar("LoadedT_contra", contravariant=True)


class StateMachine(Protocol[LoadedT_contra]):
    """A group as a shard sees it: state that follows from its records in the log.

    A call returns the records of its changes; `confirm` or `roll_back` follows. `now_ms`: the time
    of one monotonic clock.
    """

    @property
    def exists(self) -> bool:
        """False if the shard need not keep it."""
        ...

    @property
    def next_deadline(self) -> int | None:
        """The time at which to call `on_deadline`, or None. Every call may change it."""
        ...

    def restore(self, loaded: LoadedT_contra, now_ms: int) -> None:
        """Replaces the state by that of the loaded records."""
        ...

    def on_deadline(self, now_ms: int) -> CoordinatorResult: ...

    def confirm(self, records: Sequence[Record]) -> None:
        """Accepts the changes of the last call, whose `records` were passed to the log."""
        ...

    def roll_back(self, now_ms: int) -> None:
        """Restores the state of the confirmed records."""
        ...

    def reset(self, now_ms: int) -> CoordinatorResult:
        """Removes what cannot be restored."""
        ...


LoadedT = TypeVar("LoadedT")
GroupT = TypeVar("GroupT", bound=StateMachine[Any])

#: Executes a request on its group, given the pending reply and the time in ms.
Execute: TypeAlias = Callable[[GroupT, PendingReply, int], CoordinatorResult]


class Shard(Generic[GroupT, LoadedT]):
    """Restored from the log. Once closed it refuses every request, and another one replaces it."""

    def __init__(
        self,
        create: Callable[[str], GroupT],
        writer: CoordinatorWriter,
        *,
        now_ms: Callable[[], int],
        grace_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`create` makes an empty group from its id. `now_ms` never goes back.

        `grace_s`: see `DeadlineQueue`.
        """
        self._create = create
        self._writer = writer
        self._now_ms = now_ms
        self._groups: dict[str, GroupT] = {}
        #: Requests that wait for other members, by group.
        self._waiting: dict[str, set[PendingReply]] = {}
        self._deadlines = DeadlineQueue(now_ms, self._on_due, grace_s=grace_s)
        #: The refusal of all requests once it is closed.
        self.refusal: GroupRefusal | None = None

    def restore(self, loaded: Mapping[str, LoadedT]) -> None:
        """Restores the groups from their records."""
        for group_id, records in loaded.items():
            group = self._create(group_id)
            try:
                group.restore(records, self._now_ms())
            except Exception:
                log.exception("cannot restore the members of group %r", group_id[:_LOGGED_CHARS])
                self._reset(group_id, group)
            self._store(group_id, group)

    def execute(
        self,
        group_id: str,
        execute: Execute[GroupT],
        refused: Callable[[GroupRefusal], Any] | None = None,
    ) -> asyncio.Future[Any]:
        """Returns the future reply of the group. A caller that cancels does not undo the request.

        Where the shard is closed or could not write, or the group failed, the reply is that of
        `refused`, or the future raises `CoordinatorRefused`.
        """
        reply = ReplyFuture(refused)
        if self.refusal is not None:
            reply.reject(self.refusal)
            return reply
        group = self._groups.get(group_id) or self._create(group_id)
        result = self._call(group_id, group, execute, reply, self._now_ms())
        if result is None:
            reply.reject(GroupRefusal.UNKNOWN_SERVER_ERROR)
        else:
            self._note_waiting(group_id, reply, result)
        return reply

    def apply(self, group_id: str, change: Callable[[GroupT, int], CoordinatorResult]) -> None:
        """Applies a change to an existing group that no request causes."""
        group = self._groups.get(group_id)
        if group is None or self.refusal is not None:
            return
        result = self._call(group_id, group, change, self._now_ms())
        if result is not None:
            self._note_waiting(group_id, None, result)

    @property
    def group_ids(self) -> list[str]:
        return list(self._groups)

    def groups(self) -> Iterator[GroupT]:
        return iter(self._groups.values())

    def close(self, refusal: GroupRefusal) -> None:
        """Refuses all pending requests: the partition has moved, or a write has failed."""
        self._writer.close(refusal)
        self.stop(refusal)

    async def wait_idle(self) -> None:
        """Waits until the log has all records of this shard."""
        await self._writer.wait_idle()

    def stop(self, refusal: GroupRefusal) -> None:
        """Refuses requests that wait for other members, but not those that wait for a write."""
        if self.refusal is not None:
            return
        self.refusal = refusal
        self._deadlines.close()
        for group_id in list(self._waiting):
            self._refuse_waiting(group_id, refusal)

    def _call(
        self, group_id: str, group: GroupT, call: Callable[..., CoordinatorResult], *args: Any
    ) -> CoordinatorResult | None:
        """Returns the result, which is being written; None if the group was rolled back."""
        try:
            result = call(group, *args)
            self._writer.write(group_id, result)
        except (MalformedRecord, RecordTooLarge) as error:
            log.warning(
                "cannot write the result of a request to group %r: %s",
                group_id[:_LOGGED_CHARS],
                error,
            )
        except Exception:
            log.exception("failed to execute a request to group %r", group_id[:_LOGGED_CHARS])
        else:
            group.confirm(result.records)
            self._store(group_id, group)
            return result
        self._roll_back(group_id, group)
        return None

    def _note_waiting(
        self, group_id: str, reply: PendingReply | None, result: CoordinatorResult
    ) -> None:
        """Keeps the requests without a reply; nearly all have one at once."""
        replies = result.replies
        if len(replies) == 1 and replies[0][0] is reply:
            return
        waiting = self._waiting.setdefault(group_id, set())
        if reply is not None:
            waiting.add(reply)
        waiting.difference_update(replied for replied, _ in replies)
        if not waiting:
            del self._waiting[group_id]

    def _roll_back(self, group_id: str, group: GroupT) -> None:
        """Restores the group from its records. Members that wait are to join again."""
        self._refuse_waiting(group_id, GroupRefusal.REBALANCE_IN_PROGRESS)
        try:
            group.roll_back(self._now_ms())
        except Exception:
            log.exception("cannot restore the members of group %r", group_id[:_LOGGED_CHARS])
            self._reset(group_id, group)
        self._store(group_id, group)

    def _refuse_waiting(self, group_id: str, refusal: GroupRefusal) -> None:
        for reply in self._waiting.pop(group_id, ()):
            reply.reject(refusal)

    def _reset(self, group_id: str, group: GroupT) -> None:
        result = group.reset(self._now_ms())
        self._writer.write(group_id, result)
        group.confirm(result.records)

    def _store(self, group_id: str, group: GroupT) -> None:
        if not group.exists:
            self._groups.pop(group_id, None)
            self._deadlines.schedule(group_id, None)
        else:
            self._groups[group_id] = group
            self._deadlines.schedule(group_id, group.next_deadline)

    def _on_due(self, group_id: str) -> None:
        self.apply(group_id, lambda group, now_ms: group.on_deadline(now_ms))

"""Members of consumer groups (KIP-848) that send raw requests and behave as the Java client.

After an error or a lost connection the next heartbeat contains all fields again; a member that is
fenced or unknown drops its partitions and joins again.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support.clients.raw_members import PASSING, UNKNOWN_MEMBER, RawConnection
from tests.support.wire.group_apis import CONSUMER_GROUP_HEARTBEAT

FENCED_MEMBER_EPOCH = 110

_JOIN_EPOCH, _LEAVE_EPOCH = 0, -1
_PAUSE_S = 0.02
_VERSION = 1


class RawConsumer:
    """One member on a connection of its own. `work` keeps it in the group until it is cancelled."""

    def __init__(self, address: Callable[[], str], group: str, topic: str, member_id: str) -> None:
        self.group, self.topic, self.member_id = group, topic, member_id
        self.epoch = _JOIN_EPOCH
        self.owned: list[dict[str, Any]] = []
        #: Error codes of heartbeats, in order.
        self.codes: list[int] = []
        self._connection = RawConnection(address)
        self._must_send_all = True

    @property
    def partitions(self) -> list[int]:
        return sorted(partition for topic in self.owned for partition in topic["partitions"])

    @property
    def times_fenced(self) -> int:
        return sum(code in (FENCED_MEMBER_EPOCH, UNKNOWN_MEMBER) for code in self.codes)

    async def work(self) -> None:
        try:
            while True:
                try:
                    await self.heartbeat()
                except (OSError, EOFError):
                    self._must_send_all = True
                await asyncio.sleep(_PAUSE_S)
        finally:
            self.close()

    def close(self) -> None:
        self._connection.close()

    async def heartbeat(self, epoch: int | None = None) -> None:
        """Sends a heartbeat with `epoch`; default: the current epoch."""
        epoch = self.epoch if epoch is None else epoch
        with_all_fields = self._must_send_all or epoch == _JOIN_EPOCH
        response = await self._connection.ask(
            CONSUMER_GROUP_HEARTBEAT, _VERSION, self._values(epoch, with_all_fields=with_all_fields)
        )
        code = int(response.error_code)
        self.codes.append(code)
        self._must_send_all = bool(code)
        if not code:
            self.epoch = response.member_epoch
            self._apply_assignment(response.assignment)
        elif code not in PASSING:
            self.epoch, self.owned = _JOIN_EPOCH, []

    async def leave(self) -> None:
        await self.heartbeat(_LEAVE_EPOCH)
        self.epoch, self.owned, self._must_send_all = _JOIN_EPOCH, [], True

    def _apply_assignment(self, assignment: Any) -> None:
        if assignment is None:
            return
        owned = [
            {"topic_id": topic.topic_id, "partitions": list(topic.partitions)}
            for topic in assignment.topic_partitions
        ]
        # The next heartbeat confirms the assignment with the partitions that the member owns.
        self._must_send_all = self._must_send_all or owned != self.owned
        self.owned = owned

    def _values(self, epoch: int, *, with_all_fields: bool) -> dict[str, Any]:
        return {
            "group_id": self.group,
            "member_id": self.member_id,
            "member_epoch": epoch,
            "instance_id": None,
            "rack_id": None,
            "rebalance_timeout": 60_000 if with_all_fields else -1,
            "subscribed_topic_names": [self.topic] if with_all_fields else None,
            "subscribed_topic_regex": None,
            "server_assignor": None,
            "topic_partitions": self.owned if with_all_fields else None,
        }

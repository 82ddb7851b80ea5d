"""Members of consumer groups (KIP-848) at the level of requests, as Java's client behaves.

After an error or a lost connection the next heartbeat sends all fields again; a member that is
fenced or unknown gives up its partitions and joins again.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support.clients.raw_members import PASSING, UNKNOWN_MEMBER, RawConnection
from tests.support.wire.group_apis import CONSUMER_GROUP_HEARTBEAT

FENCED_MEMBER_EPOCH = 110

_JOINS, _LEAVES = 0, -1
_PAUSE_S = 0.02
_VERSION = 1


class RawConsumer:
    """One member on a connection of its own. `work` keeps it in the group until it is cancelled."""

    def __init__(self, address: Callable[[], str], group: str, topic: str, member_id: str) -> None:
        self.group, self.topic, self.member_id = group, topic, member_id
        self.epoch = _JOINS
        self.owned: list[dict[str, Any]] = []
        #: Error codes of heartbeats, as they came.
        self.codes: list[int] = []
        self._connection = RawConnection(address)
        self._says_all = True

    @property
    def partitions(self) -> list[int]:
        return sorted(one for topic in self.owned for one in topic["partitions"])

    @property
    def times_fenced(self) -> int:
        return sum(code in (FENCED_MEMBER_EPOCH, UNKNOWN_MEMBER) for code in self.codes)

    async def work(self) -> None:
        try:
            while True:
                try:
                    await self.heartbeat()
                except (OSError, EOFError):
                    self._says_all = True
                await asyncio.sleep(_PAUSE_S)
        finally:
            self.close()

    def close(self) -> None:
        self._connection.close()

    async def heartbeat(self, epoch: int | None = None) -> None:
        """Sends a heartbeat, with `epoch` in place of its own if given."""
        asked = self.epoch if epoch is None else epoch
        said_all = self._says_all or asked == _JOINS
        answer = await self._connection.ask(
            CONSUMER_GROUP_HEARTBEAT, _VERSION, self._values(asked, says_all=said_all)
        )
        code = int(answer.error_code)
        self.codes.append(code)
        self._says_all = bool(code)
        if not code:
            self.epoch = answer.member_epoch
            self._take(answer.assignment)
        elif code not in PASSING:
            self.epoch, self.owned = _JOINS, []

    async def leave(self) -> None:
        await self.heartbeat(_LEAVES)
        self.epoch, self.owned, self._says_all = _JOINS, [], True

    def _take(self, assignment: Any) -> None:
        if assignment is None:
            return
        owned = [
            {"topic_id": one.topic_id, "partitions": list(one.partitions)}
            for one in assignment.topic_partitions
        ]
        # The next heartbeat confirms it: revoked partitions are released, new ones owned.
        self._says_all = self._says_all or owned != self.owned
        self.owned = owned

    def _values(self, epoch: int, *, says_all: bool) -> dict[str, Any]:
        return {
            "group_id": self.group,
            "member_id": self.member_id,
            "member_epoch": epoch,
            "instance_id": None,
            "rack_id": None,
            "rebalance_timeout": 60_000 if says_all else -1,
            "subscribed_topic_names": [self.topic] if says_all else None,
            "subscribed_topic_regex": None,
            "server_assignor": None,
            "topic_partitions": self.owned if says_all else None,
        }

"""Members of classic groups that send raw requests; many of them run on one event loop.

Their leader assigns partitions round-robin. `Generations` collects the assignments of all members,
and detects a partition with two owners in one generation.
"""

import asyncio
import itertools
import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.wire.kio_client import message, read_response, request_frame

OFFSET_COMMIT, OFFSET_FETCH, JOIN, HEARTBEAT, LEAVE, SYNC, LIST_GROUPS = 8, 9, 11, 12, 13, 14, 16

LOADING, NOT_AVAILABLE, NOT_COORDINATOR = 14, 15, 16
ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCE, ID_REQUIRED = 22, 25, 27, 79
#: Errors after which the same request is sent again.
PASSING = {LOADING, NOT_AVAILABLE, NOT_COORDINATOR}

_PAUSE_S = 0.02
#: Limit of a wait; nothing depends on its value.
_RESPONSE_WITHIN_S = 60.0
_LOST = (OSError, EOFError)


class RawConnection:
    """Sends requests one after the other; reconnects after a lost connection."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._ids = itertools.count(1)
        self._busy = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, api_key: int, version: int, values: Mapping[str, Any]) -> Any:
        """Returns the response. Raises `OSError` or `EOFError` if there is none."""
        async with self._busy:
            try:
                return await self._ask(api_key, version, values)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _ask(self, api_key: int, version: int, values: Mapping[str, Any]) -> Any:
        if self._streams is None:
            host, _, port = self._address().rpartition(":")
            self._streams = await asyncio.open_connection(host, int(port))
        reader, writer = self._streams
        frame = request_frame(message(api_key, version, values), next(self._ids))
        writer.write(struct.pack(">i", len(frame)) + frame)
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        return read_response(await reader.readexactly(length), api_key, version)[1]


class Generations:
    """Assignments of the members of one group, by generation."""

    def __init__(self) -> None:
        self._owners: dict[tuple[int, int], str] = {}
        self.conflicts: list[str] = []

    def add(self, generation: int, member_id: str, partitions: Sequence[int]) -> None:
        for partition in partitions:
            owner = self._owners.setdefault((generation, partition), member_id)
            if owner != member_id:
                conflict = f"{partition} in generation {generation}: {owner}, {member_id}"
                self.conflicts.append(conflict)

    @property
    def last(self) -> int:
        return max((generation for generation, _ in self._owners), default=-1)


class RawMember:
    """One member on a connection of its own. `work` keeps it in the group until it is cancelled."""

    def __init__(
        self,
        address: Callable[[], str],
        group: str,
        generations: Generations,
        *,
        partitions: int,
        session_timeout_ms: int = 30_000,
        heartbeat_s: float = 0.1,
        connection: RawConnection | None = None,
    ) -> None:
        self.connection = connection or RawConnection(address)
        self.group, self.generations = group, generations
        self.member_id, self.generation = "", -1
        self.assigned: tuple[int, ...] = ()
        #: Error codes of heartbeats and commits, in order.
        self.codes: list[int] = []
        self._partitions = partitions
        self._session_timeout_ms, self._heartbeat_s = session_timeout_ms, heartbeat_s

    async def work(self) -> None:
        while True:
            try:
                if await self.join():
                    await self._stay()
                else:
                    await asyncio.sleep(_PAUSE_S)
            except _LOST:
                await asyncio.sleep(_PAUSE_S)

    async def join(self) -> bool:
        """Sends JoinGroup and SyncGroup; True if it is a member with an assignment."""
        protocol = {"name": "round-robin", "metadata": b"\0\0\0\0\0\0\xff\xff\xff\xff"}
        values = {
            "group_id": self.group,
            "session_timeout": self._session_timeout_ms,
            "rebalance_timeout": 60_000,
            "member_id": self.member_id,
            "group_instance_id": None,
            "protocol_type": "consumer",
            "protocols": [protocol],
        }
        joined = await self.connection.ask(JOIN, 7, values)
        if joined.error_code == ID_REQUIRED:
            self.member_id = joined.member_id
            joined = await self.connection.ask(JOIN, 7, {**values, "member_id": self.member_id})
        if joined.error_code:
            self._on_error(joined.error_code)
            return False
        self.member_id = joined.member_id
        assignments = self._assign([member.member_id for member in joined.members])
        synced = await self.connection.ask(
            SYNC,
            5,
            {
                **self._identity(joined.generation_id),
                "protocol_type": "consumer",
                "protocol_name": "round-robin",
                "assignments": [
                    {"member_id": member_id, "assignment": assignment}
                    for member_id, assignment in assignments.items()
                ],
            },
        )
        if synced.error_code:
            self._on_error(synced.error_code)
            return False
        self.generation = joined.generation_id
        count = len(synced.assignment) // 4
        self.assigned = struct.unpack(f">{count}i", synced.assignment)
        self.generations.add(self.generation, self.member_id, self.assigned)
        return True

    async def heartbeat(self) -> int:
        response = await self.connection.ask(HEARTBEAT, 4, self._identity(self.generation))
        return self._record_code(response.error_code)

    async def commit(self, topic: str, offsets: Mapping[int, int]) -> int:
        """Commits as a member of its generation; returns the first error code, or 0."""
        return self._record_code(
            await commit(
                self.connection,
                self.group,
                topic,
                offsets,
                generation=self.generation,
                member_id=self.member_id,
            )
        )

    async def leave(self) -> None:
        member = {"member_id": self.member_id, "group_instance_id": None, "reason": None}
        await self.connection.ask(LEAVE, 5, {"group_id": self.group, "members": [member]})
        self.member_id, self.assigned = "", ()

    async def _stay(self) -> None:
        """Sends heartbeats until the group rebalances."""
        while True:
            code = await self.heartbeat()
            if code and code not in PASSING:
                self._on_error(code)
                return
            await asyncio.sleep(self._heartbeat_s)

    def _on_error(self, code: int) -> None:
        if code == UNKNOWN_MEMBER:
            self.member_id = ""
        self.assigned = ()

    def _record_code(self, code: int) -> int:
        self.codes.append(int(code))
        return int(code)

    def _identity(self, generation: int) -> dict[str, Any]:
        return {
            "group_id": self.group,
            "generation_id": generation,
            "member_id": self.member_id,
            "group_instance_id": None,
        }

    def _assign(self, members: Sequence[str]) -> dict[str, bytes]:
        """Assigns partitions round-robin."""
        shares = {
            member: range(index, self._partitions, len(members))
            for index, member in enumerate(sorted(members))
        }
        return {member: struct.pack(f">{len(share)}i", *share) for member, share in shares.items()}


async def commit(
    connection: RawConnection,
    group: str,
    topic: str,
    offsets: Mapping[int, int],
    *,
    generation: int = -1,
    member_id: str = "",
) -> int:
    """Sends OffsetCommit, by default without a member. Returns the first error code, or 0."""
    partitions = [
        {
            "partition_index": partition,
            "committed_offset": offset,
            "committed_leader_epoch": -1,
            "committed_metadata": None,
        }
        for partition, offset in offsets.items()
    ]
    values = {
        "group_id": group,
        "generation_id_or_member_epoch": generation,
        "member_id": member_id,
        "group_instance_id": None,
        "topics": [{"name": topic, "partitions": partitions}],
    }
    response = await connection.ask(OFFSET_COMMIT, 8, values)
    codes = (part.error_code for topic in response.topics for part in topic.partitions)
    return next((int(code) for code in codes if code), 0)


async def fetch_committed(connection: RawConnection, group: str) -> dict[tuple[str, int], int]:
    """Returns the offsets of a group by topic and partition; waits for a coordinator."""
    values = {"group_id": group, "topics": None, "require_stable": False}
    async with asyncio.timeout(_RESPONSE_WITHIN_S):
        while True:
            try:
                response = await connection.ask(OFFSET_FETCH, 7, values)
            except _LOST:
                response = None
            if response is not None and response.error_code not in PASSING:
                break
            await asyncio.sleep(_PAUSE_S)
    assert response.error_code == 0, response.error_code
    return {
        (topic.name, partition.partition_index): partition.committed_offset
        for topic in response.topics
        for partition in topic.partitions
    }


@asynccontextmanager
async def running_members(members: Sequence[RawMember]) -> AsyncIterator[None]:
    """Runs all members in the background. Raises the failure of a member at the end."""
    tasks = [asyncio.create_task(member.work()) for member in members]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for member in members:
            member.connection.close()
    failures = [result for result in results if not isinstance(result, asyncio.CancelledError)]
    assert not failures, failures


async def until(condition: Callable[[], bool], *, what: str, within_s: float = 60.0) -> None:
    """Same as `eventually`, for conditions on this event loop."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.01)


def share_everything(members: Sequence[RawMember], partitions: int) -> bool:
    """True if all members are in one generation that assigns each partition once."""
    assigned = sorted(partition for member in members for partition in member.assigned)
    generations = {member.generation for member in members}
    return len(generations) == 1 and assigned == list(range(partitions))

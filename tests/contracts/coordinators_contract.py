"""Contract of `Coordinators`. Subclasses implement `opened`.

Rules of groups have their own tests; these check that requests reach them, that responses wait for
the log, and that the log is enough to continue. No step depends on how fast the machine is.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from common.client.groups.fan_out import call_each
from common.ports.classic_groups import (
    DeleteGroup,
    DescribeGroup,
    GroupProtocol,
    ListedGroup,
    ListGroups,
)
from common.ports.coordinators import Coordinators
from common.ports.group_errors import GroupClient, GroupRefusal
from common.ports.group_offsets import (
    CommitOffsets,
    CommittedOffset,
    DeleteOffsets,
    FetchOffsets,
    OffsetToCommit,
    TopicPartitions,
)
from tests.support.groups.groups import (
    CLIENT,
    DATA,
    GROUP,
    call_when_loaded,
    commit_request,
    fetch_committed,
    heartbeat_request,
    join_alone,
    join_and_sync_alone,
    join_request,
    leave_request,
    new_member_id,
    sync_request,
    wait_for_rebalance,
)

_TEST_WITHIN_S = 60

Test = Callable[[Coordinators], Awaitable[Any]]


class CoordinatorsContract:
    @abstractmethod
    def opened(self, folder: Path, **settings: object) -> AbstractAsyncContextManager[Coordinators]:
        """Coordinators of all groups on the topics of `support/groups/groups.py`, in `folder`."""

    @pytest.fixture
    def run(self, tmp_path):
        def run(test: Test, **settings: object) -> Any:
            async def within_limits() -> Any:
                async with asyncio.timeout(_TEST_WITHIN_S):
                    async with self.opened(tmp_path, **settings) as coordinators:
                        return await test(coordinators)

            return asyncio.run(within_limits())

        return run

    # Members

    def test_a_member_requests_an_id_joins_leads_and_gets_its_assignment(self, run):
        async def test(coordinators: Coordinators) -> None:
            member_id = await new_member_id(coordinators)
            assert member_id.startswith(f"{CLIENT.client_id}-")
            joined = await coordinators.call(join_request(member_id))
            assert (joined.refusal, joined.generation_id, joined.leader) == (None, 1, member_id)
            assert (joined.protocol_type, joined.protocol_name) == ("consumer", "range")
            assert [member.metadata for member in joined.members] == [b"subscription"]
            synced = await coordinators.call(sync_request(joined, {member_id: b"assignment"}))
            assert (synced.refusal, synced.assignment) == (None, b"assignment")
            assert (await coordinators.call(heartbeat_request(joined))).refusal is None

        run(test)

    def test_join_of_two_members_completes_for_both_together(self, run):
        async def test(coordinators: Coordinators) -> None:
            first = await join_and_sync_alone(coordinators)
            second_id = await new_member_id(coordinators)
            second = coordinators.call(join_request(second_id))
            await wait_for_rebalance(coordinators, first)
            assert not second.done()
            first = await coordinators.call(join_request(first.member_id))
            joined = await second
            assert first.generation_id == joined.generation_id == 2
            assert {member.member_id for member in first.members} == {first.member_id, second_id}
            assert not joined.members
            waiting = coordinators.call(sync_request(joined))
            shares = {first.member_id: b"one", second_id: b"two"}
            assert (await coordinators.call(sync_request(first, shares))).assignment == b"one"
            assert (await waiting).assignment == b"two"

        run(test)

    def test_cancelled_join_does_not_block_the_group(self, run):
        async def test(coordinators: Coordinators) -> None:
            first = await join_and_sync_alone(coordinators)
            second_id = await new_member_id(coordinators)
            second = coordinators.call(join_request(second_id))
            await wait_for_rebalance(coordinators, first)
            second.cancel()
            await asyncio.wait([second])
            retried = coordinators.call(join_request(second_id))
            first = await coordinators.call(join_request(first.member_id))
            assert (await retried).generation_id == first.generation_id
            assert len(first.members) == 2

        run(test)

    def test_a_member_that_leaves_becomes_unknown(self, run):
        async def test(coordinators: Coordinators) -> None:
            joined = await join_and_sync_alone(coordinators)
            left = await coordinators.call(leave_request(joined))
            assert left.refusal is None
            assert [(member.member_id, member.refusal) for member in left.members] == [
                (joined.member_id, None)
            ]
            assert (
                await coordinators.call(heartbeat_request(joined))
            ).refusal is GroupRefusal.UNKNOWN_MEMBER_ID

        run(test)

    def test_an_invalid_request_has_an_error_message(self, run):
        async def test(coordinators: Coordinators) -> None:
            joined = await join_and_sync_alone(coordinators)
            short = join_request(joined.member_id, session_timeout_ms=5)
            assert (await coordinators.call(short)).refusal is GroupRefusal.INVALID_SESSION_TIMEOUT
            other = join_request(joined.member_id, protocol_type="connect")
            assert (
                await coordinators.call(other)
            ).refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
            joined.generation_id += 1
            assert (
                await coordinators.call(sync_request(joined))
            ).refusal is GroupRefusal.ILLEGAL_GENERATION

        run(test)

    def test_a_silent_member_is_removed_after_its_session_timeout(self, run):
        async def test(coordinators: Coordinators) -> None:
            member_id = await new_member_id(coordinators)
            joined = await coordinators.call(join_request(member_id, session_timeout_ms=50))
            await coordinators.call(sync_request(joined, {member_id: b""}))
            while True:
                group = await coordinators.call(DescribeGroup(GROUP))
                if group.state == "Empty":
                    break
                await asyncio.sleep(0.01)

        run(test, group_min_session_timeout_ms=1)

    # Offsets

    def test_offsets_are_fetched_as_they_were_committed(self, run):
        async def test(coordinators: Coordinators) -> None:
            offsets = [
                OffsetToCommit(DATA, 0, 5, 3, "note"),
                OffsetToCommit(DATA, 1, 2**40),
                OffsetToCommit("other", 7, 1, retention_ms=2**42),
            ]
            result = await call_when_loaded(
                lambda: coordinators.call(CommitOffsets(GROUP, offsets))
            )
            assert (result.refusal, list(result.refusals)) == (None, [None] * 3)
            requested = [TopicPartitions(DATA, [1, 2, 0])]
            fetched = await coordinators.call(FetchOffsets(GROUP, requested))
            assert list(fetched.offsets) == [
                CommittedOffset(DATA, 1, 2**40),
                CommittedOffset(DATA, 2),
                CommittedOffset(DATA, 0, 5, 3, "note"),
            ]
            everything = await coordinators.call(FetchOffsets(GROUP))
            assert {(offset.topic, offset.partition) for offset in everything.offsets} == {
                (DATA, 0),
                (DATA, 1),
                ("other", 7),
            }

        run(test)

    def test_only_members_may_commit_while_the_group_has_any(self, run):
        async def test(coordinators: Coordinators) -> None:
            joined = await join_and_sync_alone(coordinators)
            refused = await coordinators.call(commit_request(1))
            assert refused.refusal is GroupRefusal.UNKNOWN_MEMBER_ID
            accepted = await coordinators.call(commit_request(2, joined=joined))
            assert (accepted.refusal, list(accepted.refusals)) == (None, [None])
            assert await fetch_committed(coordinators) == 2

        run(test)

    def test_deleted_offsets_are_not_fetched(self, run):
        async def test(coordinators: Coordinators) -> None:
            await call_when_loaded(lambda: coordinators.call(commit_request(1)))
            deletion = DeleteOffsets(GROUP, [TopicPartitions(DATA, [0])])
            assert list((await coordinators.call(deletion)).refusals) == [None]
            assert await fetch_committed(coordinators) == -1
            missing = DeleteOffsets("unknown", [TopicPartitions(DATA, [0])])
            refusal = (await call_when_loaded(lambda: coordinators.call(missing))).refusal
            assert refusal is GroupRefusal.GROUP_ID_NOT_FOUND

        run(test)

    def test_concurrent_commits_of_many_groups_are_all_stored(self, run):
        async def test(coordinators: Coordinators) -> None:
            async def commit_all(name: str) -> int:
                for offset in range(10):
                    result = await call_when_loaded(
                        lambda offset=offset: coordinators.call(commit_request(offset, name))
                    )
                    assert result.refusal is None
                return await fetch_committed(coordinators, name)

            names = [f"group-{n}" for n in range(50)]
            assert await asyncio.gather(*map(commit_all, names)) == [9] * len(names)

        run(test)

    # Requests of operators

    def test_groups_are_described_and_listed(self, run):
        async def test(coordinators: Coordinators) -> None:
            joined = await join_and_sync_alone(coordinators)
            await call_when_loaded(lambda: coordinators.call(commit_request(1, "of-offsets")))
            group, unknown = await call_each(coordinators, map(DescribeGroup, [GROUP, "unknown"]))
            assert (group.state, group.protocol_type, group.protocol_name) == (
                "Stable",
                "consumer",
                "range",
            )
            (member,) = group.members
            assert (member.member_id, member.client) == (joined.member_id, CLIENT)
            assert (member.metadata, member.assignment) == (b"subscription", b"all")
            assert unknown.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
            listed = await call_when_loaded(lambda: coordinators.list_groups(ListGroups()))
            assert sorted(group.group_id for group in listed.groups) == [GROUP, "of-offsets"]
            stable = await coordinators.list_groups(ListGroups(states=["stable"]))
            assert list(stable.groups) == [ListedGroup(GROUP, "consumer", "Stable", "classic")]

        run(test)

    def test_only_groups_without_members_are_deleted(self, run):
        async def test(coordinators: Coordinators) -> None:
            joined = await join_and_sync_alone(coordinators)
            await coordinators.call(commit_request(1, joined=joined))
            result = await coordinators.call(DeleteGroup(GROUP))
            assert result.refusal is GroupRefusal.NON_EMPTY_GROUP
            await coordinators.call(leave_request(joined))
            results = await call_each(coordinators, map(DeleteGroup, [GROUP, "unknown"]))
            assert [result.refusal for result in results] == [None, GroupRefusal.GROUP_ID_NOT_FOUND]
            assert await fetch_committed(coordinators) == -1

        run(test)

    # The log

    def test_members_and_offsets_are_the_same_after_reopening(self, run):
        async def before(coordinators: Coordinators):
            joined = await join_and_sync_alone(coordinators)
            await coordinators.call(commit_request(7, joined=joined, metadata="note"))
            return joined

        joined = run(before)

        async def after(coordinators: Coordinators) -> None:
            assert (
                await call_when_loaded(lambda: coordinators.call(heartbeat_request(joined)))
            ).refusal is None
            group = await coordinators.call(DescribeGroup(GROUP))
            assert [member.assignment for member in group.members] == [b"all"]
            assert await fetch_committed(coordinators) == 7
            # The generations of a group never repeat.
            changed = join_request(joined.member_id, protocols=[GroupProtocol("range", b"other")])
            assert (await coordinators.call(changed)).generation_id == joined.generation_id + 1

        run(after)

    def test_deleted_rows_stay_deleted_after_reopening(self, run):
        async def before(coordinators: Coordinators) -> None:
            await call_when_loaded(lambda: coordinators.call(commit_request(7)))
            await call_each(coordinators, [DeleteGroup(GROUP)])

        run(before)

        async def after(coordinators: Coordinators) -> None:
            assert await fetch_committed(coordinators) == -1
            group = await coordinators.call(DescribeGroup(GROUP))
            assert group.refusal is GroupRefusal.GROUP_ID_NOT_FOUND

        run(after)

    def test_an_unassigned_generation_is_replaced(self, run):
        joined = run(join_alone)

        async def after(coordinators: Coordinators) -> None:
            heartbeat = await call_when_loaded(lambda: coordinators.call(heartbeat_request(joined)))
            assert heartbeat.refusal is GroupRefusal.REBALANCE_IN_PROGRESS
            rejoined = await coordinators.call(join_request(joined.member_id))
            assert rejoined.generation_id > joined.generation_id

        run(after)

    def test_client_ids_and_instance_ids_may_have_any_length_of_the_protocol(self, run):
        """A member id contains one of them, and must fit into a record."""

        async def test(coordinators):
            client = GroupClient("c" * 32_767, "/h")
            for fields in ({"client": client}, {"group_instance_id": "é" * 16_383}):
                request = join_request(**fields, needs_member_id=False)
                joined = await call_when_loaded(lambda request=request: coordinators.call(request))
                assert joined.refusal is None
                assert len(joined.member_id.encode()) < 32_767
                await coordinators.call(leave_request(joined))

        run(test)

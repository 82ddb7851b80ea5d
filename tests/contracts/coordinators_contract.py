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
    asked,
    beating,
    committed,
    committing,
    joined_alone,
    joining,
    leaving,
    new_member_id,
    rebalancing,
    settled_alone,
    syncing,
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

    def test_a_member_asks_for_its_id_joins_leads_and_gets_its_assignment(self, run):
        async def test(to: Coordinators) -> None:
            member_id = await new_member_id(to)
            assert member_id.startswith(f"{CLIENT.client_id}-")
            joined = await to.call(joining(member_id))
            assert (joined.refusal, joined.generation_id, joined.leader) == (None, 1, member_id)
            assert (joined.protocol_type, joined.protocol_name) == ("consumer", "range")
            assert [member.metadata for member in joined.members] == [b"subscription"]
            synced = await to.call(syncing(joined, {member_id: b"mine"}))
            assert (synced.refusal, synced.assignment) == (None, b"mine")
            assert (await to.call(beating(joined))).refusal is None

        run(test)

    def test_two_members_wait_for_each_other(self, run):
        async def test(to: Coordinators) -> None:
            first = await settled_alone(to)
            second_id = await new_member_id(to)
            second = to.call(joining(second_id))
            await rebalancing(to, first)
            assert not second.done()
            first = await to.call(joining(first.member_id))
            joined = await second
            assert first.generation_id == joined.generation_id == 2
            assert {member.member_id for member in first.members} == {first.member_id, second_id}
            assert not joined.members
            waiting = to.call(syncing(joined))
            shares = {first.member_id: b"one", second_id: b"two"}
            assert (await to.call(syncing(first, shares))).assignment == b"one"
            assert (await waiting).assignment == b"two"

        run(test)

    def test_a_caller_that_goes_away_leaves_a_group_that_works(self, run):
        async def test(to: Coordinators) -> None:
            first = await settled_alone(to)
            second_id = await new_member_id(to)
            second = to.call(joining(second_id))
            await rebalancing(to, first)
            second.cancel()
            await asyncio.wait([second])
            again = to.call(joining(second_id))
            first = await to.call(joining(first.member_id))
            assert (await again).generation_id == first.generation_id
            assert len(first.members) == 2

        run(test)

    def test_members_leave(self, run):
        async def test(to: Coordinators) -> None:
            joined = await settled_alone(to)
            left = await to.call(leaving(joined))
            assert left.refusal is None
            assert [(member.member_id, member.refusal) for member in left.members] == [
                (joined.member_id, None)
            ]
            assert (await to.call(beating(joined))).refusal is GroupRefusal.UNKNOWN_MEMBER_ID

        run(test)

    def test_an_invalid_request_has_an_error_message(self, run):
        async def test(to: Coordinators) -> None:
            joined = await settled_alone(to)
            short = joining(joined.member_id, session_timeout_ms=5)
            assert (await to.call(short)).refusal is GroupRefusal.INVALID_SESSION_TIMEOUT
            other = joining(joined.member_id, protocol_type="connect")
            assert (await to.call(other)).refusal is GroupRefusal.INCONSISTENT_GROUP_PROTOCOL
            joined.generation_id += 1
            assert (await to.call(syncing(joined))).refusal is GroupRefusal.ILLEGAL_GENERATION

        run(test)

    def test_a_member_that_falls_silent_is_put_out(self, run):
        async def test(to: Coordinators) -> None:
            member_id = await new_member_id(to)
            joined = await to.call(joining(member_id, session_timeout_ms=50))
            await to.call(syncing(joined, {member_id: b""}))
            while True:
                group = await to.call(DescribeGroup(GROUP))
                if group.state == "Empty":
                    break
                await asyncio.sleep(0.01)

        run(test, group_min_session_timeout_ms=1)

    # Offsets

    def test_offsets_are_fetched_as_they_were_committed(self, run):
        async def test(to: Coordinators) -> None:
            offsets = [
                OffsetToCommit(DATA, 0, 5, 3, "note"),
                OffsetToCommit(DATA, 1, 2**40),
                OffsetToCommit("other", 7, 1, retention_ms=2**42),
            ]
            result = await asked(lambda: to.call(CommitOffsets(GROUP, offsets)))
            assert (result.refusal, list(result.refusals)) == (None, [None] * 3)
            wanted = [TopicPartitions(DATA, [1, 2, 0])]
            fetched = await to.call(FetchOffsets(GROUP, wanted))
            assert list(fetched.offsets) == [
                CommittedOffset(DATA, 1, 2**40),
                CommittedOffset(DATA, 2),
                CommittedOffset(DATA, 0, 5, 3, "note"),
            ]
            everything = await to.call(FetchOffsets(GROUP))
            assert {(offset.topic, offset.partition) for offset in everything.offsets} == {
                (DATA, 0),
                (DATA, 1),
                ("other", 7),
            }

        run(test)

    def test_only_members_commit_while_there_are_any(self, run):
        async def test(to: Coordinators) -> None:
            joined = await settled_alone(to)
            refused = await to.call(committing(1))
            assert refused.refusal is GroupRefusal.UNKNOWN_MEMBER_ID
            taken = await to.call(committing(2, joined=joined))
            assert (taken.refusal, list(taken.refusals)) == (None, [None])
            assert await committed(to) == 2

        run(test)

    def test_offsets_are_deleted(self, run):
        async def test(to: Coordinators) -> None:
            await asked(lambda: to.call(committing(1)))
            asking = DeleteOffsets(GROUP, [TopicPartitions(DATA, [0])])
            assert list((await to.call(asking)).refusals) == [None]
            assert await committed(to) == -1
            missing = DeleteOffsets("nobody", [TopicPartitions(DATA, [0])])
            refusal = (await asked(lambda: to.call(missing))).refusal
            assert refusal is GroupRefusal.GROUP_ID_NOT_FOUND

        run(test)

    def test_many_commits_of_many_groups_at_once(self, run):
        async def test(to: Coordinators) -> None:
            async def commit_all(name: str) -> int:
                for offset in range(10):
                    result = await asked(lambda offset=offset: to.call(committing(offset, name)))
                    assert result.refusal is None
                return await committed(to, name)

            names = [f"group-{n}" for n in range(50)]
            assert await asyncio.gather(*map(commit_all, names)) == [9] * len(names)

        run(test)

    # Requests of operators

    def test_groups_are_described_and_listed(self, run):
        async def test(to: Coordinators) -> None:
            joined = await settled_alone(to)
            await asked(lambda: to.call(committing(1, "of-offsets")))
            group, unknown = await call_each(to, map(DescribeGroup, [GROUP, "nobody"]))
            assert (group.state, group.protocol_type, group.protocol_name) == (
                "Stable",
                "consumer",
                "range",
            )
            (member,) = group.members
            assert (member.member_id, member.client) == (joined.member_id, CLIENT)
            assert (member.metadata, member.assignment) == (b"subscription", b"all")
            assert unknown.refusal is GroupRefusal.GROUP_ID_NOT_FOUND
            listed = await asked(lambda: to.list_groups(ListGroups()))
            assert sorted(one.group_id for one in listed.groups) == [GROUP, "of-offsets"]
            stable = await to.list_groups(ListGroups(states=["stable"]))
            assert list(stable.groups) == [ListedGroup(GROUP, "consumer", "Stable", "classic")]

        run(test)

    def test_only_groups_without_members_are_deleted(self, run):
        async def test(to: Coordinators) -> None:
            joined = await settled_alone(to)
            await to.call(committing(1, joined=joined))
            result = await to.call(DeleteGroup(GROUP))
            assert result.refusal is GroupRefusal.NON_EMPTY_GROUP
            await to.call(leaving(joined))
            results = await call_each(to, map(DeleteGroup, [GROUP, "nobody"]))
            assert [one.refusal for one in results] == [None, GroupRefusal.GROUP_ID_NOT_FOUND]
            assert await committed(to) == -1

        run(test)

    # The log

    def test_everything_is_as_it_was_when_it_is_opened_again(self, run):
        async def before(to: Coordinators):
            joined = await settled_alone(to)
            await to.call(committing(7, joined=joined, metadata="note"))
            return joined

        joined = run(before)

        async def after(to: Coordinators) -> None:
            assert (await asked(lambda: to.call(beating(joined)))).refusal is None
            group = await to.call(DescribeGroup(GROUP))
            assert [member.assignment for member in group.members] == [b"all"]
            assert await committed(to) == 7
            # The generations of a group never repeat.
            changed = joining(joined.member_id, protocols=[GroupProtocol("range", b"other")])
            assert (await to.call(changed)).generation_id == joined.generation_id + 1

        run(after)

    def test_deleted_rows_stay_deleted_after_reopening(self, run):
        async def before(to: Coordinators) -> None:
            await asked(lambda: to.call(committing(7)))
            await call_each(to, [DeleteGroup(GROUP)])

        run(before)

        async def after(to: Coordinators) -> None:
            assert await committed(to) == -1
            group = await to.call(DescribeGroup(GROUP))
            assert group.refusal is GroupRefusal.GROUP_ID_NOT_FOUND

        run(after)

    def test_an_unassigned_generation_is_replaced(self, run):
        joined = run(joined_alone)

        async def after(to: Coordinators) -> None:
            beat = await asked(lambda: to.call(beating(joined)))
            assert beat.refusal is GroupRefusal.REBALANCE_IN_PROGRESS
            again = await to.call(joining(joined.member_id))
            assert again.generation_id > joined.generation_id

        run(after)

    def test_ids_of_clients_may_be_as_long_as_they_can_be_sent(self, run):
        """A member id is made of them, and must fit into a record."""

        async def test(to):
            client = GroupClient("c" * 32_767, "/h")
            for asking in ({"client": client}, {"group_instance_id": "é" * 16_383}):
                asked_for = joining(**asking, needs_member_id=False)
                joined = await asked(lambda asked_for=asked_for: to.call(asked_for))
                assert joined.refusal is None
                assert len(joined.member_id.encode()) < 32_767
                await to.call(leaving(joined))

        run(test)

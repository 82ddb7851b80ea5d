"""Contract of a `Ring` about members' disk reports. Used beside `RingContract`."""

from common.ports.moves import DiskState, MemberReport, MoveProgress
from tests.contracts.ring_contract import member, with_ring

FULL = DiskState(0, is_writable=False)


class DiskContract:
    """Subclass it beside `RingContract`, which gives `opened` its meaning."""

    @with_ring
    async def test_full_disks_and_moves_without_progress_are_described(self, cluster):
        move = await cluster.start_move()
        stuck = MoveProgress(move.move_id, 400, 1_200, "no room on the disk")
        cluster.watches["p-1"].report(MemberReport([], [stuck], DiskState(800, is_writable=False)))
        ring = await cluster.wait_for_ring(lambda ring: ring.moves[0].trouble)
        assert ring.moves[0].trouble == "no room on the disk"
        assert [member.disk for member in ring.members] == [None, DiskState(800, is_writable=False)]
        assert len(ring.troubles) == 1
        cluster.watches["p-1"].report(MemberReport(disk=DiskState(900)))
        ring = await cluster.wait_for_ring(lambda ring: not ring.troubles)
        assert ring.members[1].disk == DiskState(900)
        assert ring.unsized_moves == 0
        assert ring.moves[0].total_bytes == 1_200

    @with_ring
    async def test_new_partitions_are_not_placed_on_members_that_refuse_appends(self, cluster):
        await cluster.join(member(0), member(1))
        cluster.watches["p-0"].report(MemberReport(disk=DiskState(0, is_writable=False)))
        await cluster.wait_for_ring(lambda ring: ring.members[0].disk)
        await cluster.create_topic(partitions=6)
        ring = await cluster.ring.describe_ring()
        assert [member.partitions for member in ring.members] == [0, 6]
        # If all members refuse appends, partitions are placed on any.
        cluster.watches["p-1"].report(MemberReport(disk=DiskState(0, is_writable=False)))
        await cluster.wait_for_ring(lambda ring: ring.members[1].disk)
        await cluster.create_topic("u", partitions=6)
        ring = await cluster.ring.describe_ring()
        assert sum(member.partitions for member in ring.members) == 12

import asyncio

from common.ports.moves import DiskState, LogLoad, MemberReport
from metadata_svc.moves.plan import NO_ROOM_PAUSE_S
from metadata_svc.moves.troubles import troubles, unsized_moves
from tests.support.moves.simulated_cluster import SimulatedCluster


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            world = SimulatedCluster(0)
            await world.open()
            try:
                await world.start("p-0")
                await world.make_topic(4)
                await body(world, world.service.members.take_report, world.service.view.topics[0])
            finally:
                await world.service.change_log.close()

    asyncio.run(bounded())


def sized(topic, *sizes):
    return [LogLoad(topic.topic_id, number, size, 0) for number, size in enumerate(sizes)]


def test_partitions_that_do_not_fit_wait_and_it_is_said_why():
    async def body(world, report, topic):
        report("p-0", MemberReport(sized(topic, 1000, 2000, 3000, 4000), disk=DiskState(0)))
        report("p-1", MemberReport(disk=DiskState(500)))
        await world.start("p-1")
        await world.settle()
        assert world.service.view.moves == ()
        [line] = troubles(world.service.scheduler)
        assert line.startswith("2 partitions do not fit on p-1: the smallest has ")
        assert line.endswith(", and p-1 has room for 500.")
        report("p-1", MemberReport(disk=DiskState(1 << 20)))
        assert troubles(world.service.scheduler) == []
        await world.pass_time(NO_ROOM_PAUSE_S)
        assert len(world.service.view.moves) == 2

    run(body)


def test_a_member_that_takes_no_appends_gets_nothing_and_it_is_said():
    async def body(world, report, topic):
        report("p-0", MemberReport(sized(topic, 1, 1, 1, 1), disk=DiskState(1 << 20)))
        report("p-1", MemberReport(disk=DiskState(1 << 20, is_writable=False)))
        await world.start("p-1")
        await world.settle()
        assert world.service.view.moves == ()
        [line] = troubles(world.service.scheduler)
        assert line.startswith("p-1 rejects appends")
        report("p-1", MemberReport(disk=DiskState(1 << 20)))
        await world.settle()
        assert len(world.service.view.moves) == 2

    run(body)


def test_a_bug_that_stops_moves_is_named():
    async def body(world, _report, _topic):
        world.service.scheduler.trouble = "ZeroDivisionError()"
        assert troubles(world.service.scheduler) == ["Moves are stopped: ZeroDivisionError()"]

    run(body)


def test_moves_of_unreported_partitions_have_no_size():
    async def body(world, report, topic):
        await world.start("p-1")
        await world.settle()
        view, scheduler = world.service.view, world.service.scheduler
        assert unsized_moves(view, scheduler) == len(view.moves) + len(scheduler.plan) == 2
        report("p-0", MemberReport(sized(topic, 1000)))
        assert unsized_moves(view, scheduler) == 0

    run(body)

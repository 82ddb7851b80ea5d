import asyncio

from common.ports.moves import DiskState, LogLoad, MemberReport
from metadata_svc.moves.plan import NO_ROOM_PAUSE_S
from metadata_svc.moves.troubles import troubles, unsized_moves
from tests.support.moves.simulated_cluster import SimulatedCluster


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            cluster = SimulatedCluster(0)
            await cluster.open()
            try:
                await cluster.start("p-0")
                await cluster.make_topic(4)
                await body(
                    cluster, cluster.service.members.take_report, cluster.service.view.topics[0]
                )
            finally:
                await cluster.service.change_log.close()

    asyncio.run(bounded())


def loads_of(topic, *sizes):
    return [LogLoad(topic.topic_id, number, size, 0) for number, size in enumerate(sizes)]


def test_partitions_that_do_not_fit_are_reported_and_wait():
    async def body(cluster, report, topic):
        report("p-0", MemberReport(loads_of(topic, 1000, 2000, 3000, 4000), disk=DiskState(0)))
        report("p-1", MemberReport(disk=DiskState(500)))
        await cluster.start("p-1")
        await cluster.settle()
        assert cluster.service.view.moves == ()
        [line] = troubles(cluster.service.scheduler)
        assert line.startswith("2 partitions do not fit on p-1: the smallest has ")
        assert line.endswith(", and p-1 has room for 500.")
        report("p-1", MemberReport(disk=DiskState(1 << 20)))
        assert troubles(cluster.service.scheduler) == []
        await cluster.pass_time(NO_ROOM_PAUSE_S)
        assert len(cluster.service.view.moves) == 2

    run(body)


def test_a_member_that_rejects_appends_is_reported_and_gets_no_partitions():
    async def body(cluster, report, topic):
        report("p-0", MemberReport(loads_of(topic, 1, 1, 1, 1), disk=DiskState(1 << 20)))
        report("p-1", MemberReport(disk=DiskState(1 << 20, is_writable=False)))
        await cluster.start("p-1")
        await cluster.settle()
        assert cluster.service.view.moves == ()
        [line] = troubles(cluster.service.scheduler)
        assert line.startswith("p-1 rejects appends")
        report("p-1", MemberReport(disk=DiskState(1 << 20)))
        await cluster.settle()
        assert len(cluster.service.view.moves) == 2

    run(body)


def test_a_bug_that_stops_moves_is_reported():
    async def body(cluster, _report, _topic):
        cluster.service.scheduler.trouble = "ZeroDivisionError()"
        assert troubles(cluster.service.scheduler) == ["Moves are stopped: ZeroDivisionError()"]

    run(body)


def test_moves_of_unreported_partitions_have_no_size():
    async def body(cluster, report, topic):
        await cluster.start("p-1")
        await cluster.settle()
        view, scheduler = cluster.service.view, cluster.service.scheduler
        assert unsized_moves(view, scheduler) == len(view.moves) + len(scheduler.plan) == 2
        report("p-0", MemberReport(loads_of(topic, 1000)))
        assert unsized_moves(view, scheduler) == 0

    run(body)

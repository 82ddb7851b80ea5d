import asyncio

from common.ports.moves import DiskState, LogLoad, MemberReport, MoveProgress
from common.ports.partitions import LogId
from partition_svc.load_reports import Reporter
from partition_svc.store.failures import StorageFailed
from tests.support.stores.partition_core import until

FIRST, SECOND = LogId(b"t" * 16, 0), LogId(b"t" * 16, 1)


class LogSizes:
    def __init__(self, **stored):
        self.stored = {FIRST: 100, SECOND: 50}
        self.open = {}
        self.scans = 0

    def open_logs(self):
        return self.open

    async def all_logs(self):
        self.scans += 1
        return dict(self.stored)


class Watch:
    def __init__(self):
        self.reports = []

    def report(self, report):
        self.reports.append(report)


#: The disk state in the first report of each watch.
DISK = DiskState(100 << 20)


def run(test, *, progress=(), disks=(DISK,)):
    async def within_limits():
        sizes, watch = LogSizes(), Watch()
        reporter = Reporter(sizes, lambda: progress, lambda: disks[-1], interval_s=0.001)
        async with asyncio.timeout(60):
            await test(reporter, sizes, watch)

    asyncio.run(within_limits())


def report_of(*items, disk=None):
    return MemberReport([LogLoad(*log, size, rate) for log, size, rate in items], disk=disk)


def test_a_watch_gets_one_full_report_and_then_changes():
    async def test(reporter, sizes, watch):
        reporter.on_watch(watch)
        await reporter.report(2.0)
        sizes.open = {FIRST: 300}
        await reporter.report(2.0)
        # The log no longer grows, and the new rate of 0 is a change too.
        await reporter.report(2.0)
        await reporter.report(2.0)
        assert watch.reports == [
            report_of((FIRST, 100, 0), (SECOND, 50, 0), disk=DISK),
            report_of((FIRST, 300, 100)),
            report_of((FIRST, 300, 0)),
        ]
        assert sizes.scans == 1

    run(test)


def test_a_new_watch_gets_a_full_report():
    async def test(reporter, sizes, watch):
        reporter.on_watch(watch)
        await reporter.report(1.0)
        second_watch = Watch()
        reporter.on_watch(second_watch)
        sizes.open = {SECOND: 60}
        await reporter.report(1.0)
        assert second_watch.reports == [report_of((FIRST, 100, 0), (SECOND, 60, 0), disk=DISK)]

    run(test)


def test_every_report_has_the_progress_of_moves():
    progress = [MoveProgress(1, 10, 100)]

    async def test(reporter, _, watch):
        reporter.on_watch(watch)
        await reporter.report(1.0)
        await reporter.report(1.0)
        assert [list(report.progress) for report in watch.reports] == [progress, progress]
        assert watch.reports[1].loads == []

    run(test, progress=progress)


def test_no_report_without_a_watch_and_none_from_a_failing_store():
    async def test(reporter, sizes, watch):
        await reporter.report(1.0)
        running = asyncio.ensure_future(reporter.run())
        all_logs, failed = sizes.all_logs, asyncio.Event()

        async def fail():
            failed.set()
            raise StorageFailed("broken")

        sizes.all_logs = fail
        reporter.on_watch(watch)
        await failed.wait()
        sizes.all_logs = all_logs
        await until(lambda: watch.reports)
        running.cancel()

    run(test)


def test_the_disk_is_reported_when_it_has_changed():
    disks = [DISK]

    async def test(reporter, _, watch):
        reporter.on_watch(watch)
        states = [
            DISK,
            DiskState((100 << 20) - 1),
            DiskState(99 << 20),
            DiskState((99 << 20), is_writable=False),
            DiskState((99 << 20), is_writable=False),
        ]
        for state in states:
            disks.append(state)
            await reporter.report(1.0)
        reported = [report.disk for report in watch.reports if report.disk is not None]
        assert reported == [states[0], states[2], states[3]]

    run(test, disks=disks)

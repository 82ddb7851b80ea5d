import asyncio

import pytest

from common.ports.metadata import Endpoint, Gateway, Member
from common.ports.moves import LogLoad, MemberReport
from metadata_svc.pauses import Pauses
from metadata_svc.watch.requests import InvalidRegistration, forward_requests, registration
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1 import ring_pb2 as pb_ring

GATEWAY = pb.Gateway(node_id=1, endpoints=[pb.Endpoint(listener="P", host="h", port=1)])
MEMBER = Member("p", "a:1")


async def send(*requests, then_silent=False):
    for request in requests:
        yield request
    if then_silent:
        await asyncio.Event().wait()


class RecordingWatch:
    def __init__(self):
        self.log = []

    def acknowledge(self, revision):
        self.log.append(revision)

    def report(self, report):
        self.log.append(report)

    async def close(self):
        self.log.append("closed")


def register(*requests, **options):
    return asyncio.run(registration(send(*requests, **options), pauses=Pauses(lease_ms=20)))


def follow_requests(*requests, **options):
    watch = RecordingWatch()
    asyncio.run(
        forward_requests(
            send(*requests, **options), watch, watcher=MEMBER, pauses=Pauses(lease_ms=20)
        )
    )
    return watch.log


def test_the_first_message_is_the_registration():
    assert register(pb.WatchRequest(register_gateway=GATEWAY)) == Gateway(
        1, (Endpoint("P", "h", 1),)
    )
    member = pb.Member(name="p", address="a:1")
    assert register(pb.WatchRequest(register_member=member)) == MEMBER


@pytest.mark.parametrize(
    ("requests", "reason"),
    [
        ([], "must register"),
        ([pb.WatchRequest()], "must register"),
        ([pb.WatchRequest(acknowledged_revision=1)], "must register"),
        ([pb.WatchRequest(register_gateway=pb.Gateway(node_id=1))], "endpoint"),
        ([pb.WatchRequest(register_member=pb.Member(name="p"))], "address"),
    ],
)
def test_a_first_message_without_a_valid_registration_is_refused_with_the_reason(requests, reason):
    with pytest.raises(InvalidRegistration, match=reason):
        register(*requests)


def test_a_caller_that_does_not_register_within_the_lease_is_refused():
    with pytest.raises(InvalidRegistration, match="within its lease"):
        register(then_silent=True)


def test_acknowledgements_are_passed_on_and_the_end_closes_the_watch():
    heartbeat = pb.WatchRequest(heartbeat=pb.Heartbeat())
    acknowledgements = [pb.WatchRequest(acknowledged_revision=number) for number in (1, 5)]
    assert follow_requests(acknowledgements[0], heartbeat, acknowledgements[1]) == [1, 5, "closed"]


def test_reports_are_passed_on():
    load = pb_ring.LogLoad(topic_id=bytes(16), partition=1, size_bytes=2, bytes_per_second=3)
    report = pb.WatchRequest(report=pb_ring.MemberReport(loads=[load]))
    assert follow_requests(report) == [MemberReport((LogLoad(bytes(16), 1, 2, 3),)), "closed"]


def test_silence_for_longer_than_the_lease_closes_the_watch_and_is_logged(caplog):
    assert follow_requests(pb.WatchRequest(acknowledged_revision=1), then_silent=True) == [
        1,
        "closed",
    ]
    assert "no message for 0.02 s" in caplog.text


def test_a_second_registration_on_the_same_watch_changes_nothing():
    assert follow_requests(pb.WatchRequest(register_gateway=GATEWAY)) == ["closed"]


def test_silence_counts_only_while_this_process_runs(monkeypatch, caplog):
    """Simulates SIGSTOP: the clock is ahead by many leases, and a message is ready to be read."""

    async def body():
        loop, pauses, watch = asyncio.get_running_loop(), Pauses(lease_ms=60_000), RecordingWatch()
        await asyncio.sleep(0)
        checking = asyncio.create_task(pauses.run())
        arrived = asyncio.Event()

        async def requests():
            await arrived.wait()
            yield pb.WatchRequest(acknowledged_revision=7)

        reading = asyncio.create_task(
            forward_requests(requests(), watch, watcher=MEMBER, pauses=pauses)
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + 600)
        # Every timer that came due fires before the message is read.
        for _ in range(5):
            await asyncio.sleep(0)
        assert pauses.resumed_at > 0
        assert not reading.done()
        arrived.set()
        await reading
        checking.cancel()
        return watch.log

    assert asyncio.run(body()) == [7, "closed"]
    assert "was paused" in caplog.text
    assert "no message for" not in caplog.text

import asyncio

import pytest

from common.ports.metadata import Endpoint, Gateway, Member
from common.ports.moves import LogLoad, MemberReport
from metadata_svc.hearing import WrongRegistration, hear, registration
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1 import ring_pb2 as pb_ring

GATEWAY = pb.Gateway(node_id=1, endpoints=[pb.Endpoint(listener="P", host="h", port=1)])
WHO = Member("p", "a:1")


async def saying(*requests, then_silent=False):
    for request in requests:
        yield request
    if then_silent:
        await asyncio.Event().wait()


class Watched:
    def __init__(self):
        self.log = []

    def acknowledge(self, revision):
        self.log.append(revision)

    def report(self, report):
        self.log.append(report)

    async def close(self):
        self.log.append("closed")


def registered(*requests, **how):
    return asyncio.run(registration(saying(*requests, **how), lease_ms=20))


def heard(*requests, **how):
    watch = Watched()
    asyncio.run(hear(saying(*requests, **how), watch, who=WHO, lease_ms=20))
    return watch.log


def test_the_first_message_says_who_watches():
    assert registered(pb.WatchRequest(register_gateway=GATEWAY)) == Gateway(
        1, (Endpoint("P", "h", 1),)
    )
    member = pb.Member(name="p", address="a:1")
    assert registered(pb.WatchRequest(register_member=member)) == WHO


@pytest.mark.parametrize(
    ("requests", "why"),
    [
        ([], "must register"),
        ([pb.WatchRequest()], "must register"),
        ([pb.WatchRequest(acknowledged_revision=1)], "must register"),
        ([pb.WatchRequest(register_gateway=pb.Gateway(node_id=1))], "endpoint"),
        ([pb.WatchRequest(register_member=pb.Member(name="p"))], "address"),
    ],
)
def test_a_first_message_that_says_it_not_is_refused_with_the_reason(requests, why):
    with pytest.raises(WrongRegistration, match=why):
        registered(*requests)


def test_who_says_nothing_within_the_lease_is_refused():
    with pytest.raises(WrongRegistration, match="in time"):
        registered(then_silent=True)


def test_acknowledgements_are_passed_on_and_the_end_closes_the_watch():
    beat = pb.WatchRequest(heartbeat=pb.Heartbeat())
    acknowledgements = [pb.WatchRequest(acknowledged_revision=number) for number in (1, 5)]
    assert heard(acknowledgements[0], beat, acknowledgements[1]) == [1, 5, "closed"]


def test_reports_are_passed_on():
    load = pb_ring.LogLoad(topic_id=bytes(16), partition=1, size_bytes=2, bytes_per_second=3)
    said = pb.WatchRequest(report=pb_ring.MemberReport(loads=[load]))
    assert heard(said) == [MemberReport((LogLoad(bytes(16), 1, 2, 3),)), "closed"]


def test_silence_for_longer_than_the_lease_closes_the_watch_and_is_told(caplog):
    assert heard(pb.WatchRequest(acknowledged_revision=1), then_silent=True) == [1, "closed"]
    assert "nothing heard for 20 ms" in caplog.text


def test_a_second_registration_on_the_same_watch_changes_nothing():
    assert heard(pb.WatchRequest(register_gateway=GATEWAY)) == ["closed"]

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest

from common.client import batching_stream
from common.client.groups import call_stream
from common.client.groups.call_stream import CallStreamClient, open_call_stream
from common.ports.classic_groups import GroupHeartbeat, HeartbeatReply
from common.ports.group_errors import GroupRefusal
from common.ports.unavailable import BackendUnavailable, CallNotSent
from common.rpc.channels import open_channel
from common.rpc.server import RpcServer
from partition_svc.rpc.coordinator_servicer import CoordinatorServicer, service
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.support.processes.ports import ReservedPort
from tests.support.stores.partition_core import until


class FakeCoordinators:
    """Replies to heartbeats at once or in `respond`, with the generation id as refusal."""

    def __init__(self, *, responds_at_once=True):
        self.responds_at_once = responds_at_once
        self.group_ids = []
        self.open = []

    def call(self, request):
        self.group_ids.append(request.group_id)
        reply = asyncio.get_running_loop().create_future()
        refusal = GroupRefusal(request.generation_id) if request.generation_id else None
        self.open.append((reply, HeartbeatReply(refusal)))
        if self.responds_at_once:
            self.respond()
        return reply

    def respond(self):
        while self.open:
            # In reverse: replies may arrive in any order.
            reply, result = self.open.pop()
            reply.set_result(result)


@asynccontextmanager
async def serve_coordinators(coordinators, address="127.0.0.1:0"):
    """Serves `coordinators`; yields the address and the servicer."""
    servicer = CoordinatorServicer(coordinators)
    server = RpcServer([service(servicer)], address=address)
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}", servicer
    finally:
        await server.stop(grace_s=0)


@asynccontextmanager
async def run_client(address, **options):
    async with open_channel(address) as channel:
        calls = CallStreamClient("p-0", lambda: open_call_stream(channel), **options)
        try:
            yield calls
        finally:
            await calls.close()


def send_heartbeat(calls, group_id="g", generation_id=0):
    return calls.submit(GroupHeartbeat(group_id, "m", generation_id))


def run(scenario):
    async def within_limits():
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


def record_call_counts(monkeypatch):
    """Returns a list that gets the number of calls of each message that is sent."""
    counts = []
    next_message = CallStreamClient.next_message

    def recording_next_message(self):
        message = next_message(self)
        if message is not None:
            counts.append(len(pb.GroupCalls.FromString(message).calls))
        return message

    monkeypatch.setattr(CallStreamClient, "next_message", recording_next_message)
    return counts


def test_calls_arrive_in_order_and_replies_are_matched():
    async def scenario():
        owner = FakeCoordinators(responds_at_once=False)
        async with serve_coordinators(owner) as (address, _), run_client(address) as calls:
            pending = [send_heartbeat(calls, f"g{n}", n % 26) for n in range(200)]
            await until(lambda: len(owner.group_ids) == 200)
            owner.respond()
            refusals = [(await call).refusal for call in pending]
            assert refusals == [GroupRefusal(n % 26) if n % 26 else None for n in range(200)]
            assert owner.group_ids == [f"g{n}" for n in range(200)]

    run(scenario)


def test_queued_calls_leave_in_one_message(monkeypatch):
    messages = record_call_counts(monkeypatch)

    async def scenario():
        async with (
            serve_coordinators(FakeCoordinators()) as (address, _),
            run_client(address) as calls,
        ):
            await asyncio.gather(*(send_heartbeat(calls) for _ in range(1200)))
            assert (sum(messages), max(messages)) == (1200, 512)
            assert len(messages) <= 5

    run(scenario)


def test_a_message_has_about_a_megabyte_and_at_least_one_call(monkeypatch):
    messages = record_call_counts(monkeypatch)
    monkeypatch.setattr(call_stream, "_MESSAGE_BYTES_MAX", 50_000)

    async def scenario():
        async with (
            serve_coordinators(FakeCoordinators()) as (address, _),
            run_client(address) as calls,
        ):
            sizes = [20_000, 20_000, 20_000, 10, 10]
            await asyncio.gather(*(send_heartbeat(calls, "x" * size) for size in sizes))
            assert messages == [2, 3]

    run(scenario)


def test_bytes_in_flight_are_bounded(monkeypatch):
    monkeypatch.setattr(call_stream, "_IN_FLIGHT_BYTES_MAX", 30_000)
    monkeypatch.setattr(call_stream, "_MESSAGE_BYTES_MAX", 20_000)

    async def scenario():
        owner = FakeCoordinators(responds_at_once=False)
        async with serve_coordinators(owner) as (address, _), run_client(address) as calls:
            pending = [send_heartbeat(calls, "x" * 20_000) for _ in range(4)]
            await until(lambda: len(owner.group_ids) == 2)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert len(owner.group_ids) == 2
            owner.responds_at_once = True
            owner.respond()
            await asyncio.gather(*pending)

    run(scenario)


def test_broken_stream_fails_its_calls_and_the_next_call_opens_another(caplog):
    async def scenario():
        port = ReservedPort()
        owner = FakeCoordinators(responds_at_once=False)
        async with run_client(port.address) as calls:
            async with serve_coordinators(owner, port.address):
                lost = send_heartbeat(calls)
                await until(lambda: owner.group_ids)
            with pytest.raises(BackendUnavailable, match="p-0 CallStream"):
                await lost
            owner.responds_at_once = True
            async with serve_coordinators(owner, port.address):
                while True:
                    try:
                        assert await send_heartbeat(calls, "again") == HeartbeatReply()
                        break
                    except BackendUnavailable:
                        continue
        port.release()

    with caplog.at_level(logging.INFO):
        run(scenario)
    assert "stream lost: p-0 CallStream" in caplog.text


def test_calls_that_were_not_sent_raise_call_not_sent(monkeypatch):
    monkeypatch.setattr(call_stream, "_IN_FLIGHT_BYTES_MAX", 1)
    monkeypatch.setattr(call_stream, "_MESSAGE_CALLS_MAX", 1)

    async def scenario():
        port = ReservedPort()
        owner = FakeCoordinators(responds_at_once=False)
        async with run_client(port.address) as calls:
            with pytest.raises(CallNotSent):
                await send_heartbeat(calls)
            async with serve_coordinators(owner, port.address):
                while not owner.group_ids:
                    # Repeated until the channel has connected again.
                    sent, waiting = send_heartbeat(calls, "sent"), send_heartbeat(calls, "waiting")
                    await until(lambda call=sent: call.done() or owner.group_ids)
            errors = await asyncio.gather(sent, waiting, return_exceptions=True)
            assert [type(error) for error in errors] == [BackendUnavailable, CallNotSent]
        assert owner.group_ids == ["sent"]
        port.release()

    run(scenario)


def test_stopping_service_replies_before_it_ends_its_streams():
    async def scenario():
        owner = FakeCoordinators(responds_at_once=False)
        async with serve_coordinators(owner) as (address, servicer), run_client(address) as calls:
            call = send_heartbeat(calls)
            await until(lambda: owner.group_ids)
            servicer.end_streams()
            owner.respond()
            assert await call == HeartbeatReply()
            with pytest.raises(BackendUnavailable, match="stopping"):
                await send_heartbeat(calls)
            assert len(owner.group_ids) == 1

    run(scenario)


def test_cancelled_callers_do_not_affect_others():
    async def scenario():
        owner = FakeCoordinators(responds_at_once=False)
        async with serve_coordinators(owner) as (address, _), run_client(address) as calls:
            never_sent, early, late = (
                send_heartbeat(calls, "never"),
                send_heartbeat(calls, "a"),
                send_heartbeat(calls, "b", 6),
            )
            never_sent.cancel()
            await until(lambda: len(owner.group_ids) == 2)
            early.cancel()
            owner.respond()
            assert (await late).refusal is GroupRefusal(6)
            assert owner.group_ids == ["a", "b"]
            assert not calls._in_flight
            assert calls._in_flight_bytes == 0

    run(scenario)


def test_overdue_call_fails_alone_while_others_have_replies(monkeypatch):
    monkeypatch.setattr(batching_stream, "_CHECK_S", 0.001)

    async def scenario():
        owner = FakeCoordinators(responds_at_once=False)
        async with (
            serve_coordinators(owner) as (address, _),
            run_client(address, reply_timeout_s=0.2) as calls,
        ):
            slow = send_heartbeat(calls)
            await until(lambda: owner.group_ids)
            late_reply, result = owner.open.pop()
            owner.responds_at_once = True
            while not slow.done():
                await send_heartbeat(calls)
                await asyncio.sleep(0.001)
            with pytest.raises(BackendUnavailable, match="no reply in time"):
                await slow
            # The late reply is ignored, and the stream continues.
            late_reply.set_result(result)
            assert await send_heartbeat(calls) == HeartbeatReply()
            assert calls._in_flight_bytes == 0

    run(scenario)


def test_stream_without_replies_is_closed(monkeypatch):
    monkeypatch.setattr(batching_stream, "_CHECK_S", 0.001)

    async def scenario():
        owner = FakeCoordinators(responds_at_once=False)
        async with (
            serve_coordinators(owner) as (address, _),
            run_client(address, reply_timeout_s=0.05) as calls,
        ):
            with pytest.raises(BackendUnavailable, match=r"no reply in 0\.05 s"):
                await send_heartbeat(calls)

    run(scenario)


def test_close_fails_calls_in_flight():
    async def scenario():
        owner = FakeCoordinators(responds_at_once=False)
        async with serve_coordinators(owner) as (address, _), run_client(address) as calls:
            call = send_heartbeat(calls)
            await until(lambda: owner.group_ids)
            await calls.close()
            with pytest.raises(BackendUnavailable, match="stopping"):
                await call

    run(scenario)


@pytest.mark.parametrize(
    "reply",
    [
        pb.GroupAnswer(commit_offsets=pb.CommitResult()),
        pb.GroupAnswer(heartbeat=pb.HeartbeatTaken(refusal=999)),
        pb.GroupAnswer(),
    ],
)
def test_reply_of_another_kind_is_an_error(reply):
    async def scenario():
        owner = FakeCoordinators(responds_at_once=False)
        async with serve_coordinators(owner) as (address, _), run_client(address) as calls:
            call = send_heartbeat(calls)
            await until(lambda: owner.group_ids)
            reply.call_id = 1
            calls._complete(reply)
            with pytest.raises(BackendUnavailable, match="p-0"):
                await call

    run(scenario)

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest

from common.client import batching_stream
from common.client.groups import call_stream
from common.client.groups.call_stream import CallStreamClient, open_call_stream
from common.ports.classic_groups import GroupHeartbeat, HeartbeatTaken
from common.ports.group_errors import GroupRefusal
from common.ports.unavailable import BackendUnavailable, CallNotSent
from common.rpc.channels import open_channel
from common.rpc.server import RpcServer
from partition_svc.rpc.coordinator_servicer import CoordinatorServicer, service
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.support.processes.ports import ReservedPort
from tests.support.stores.partition_core import until


class Coordinators:
    """Knows no groups: answers heartbeats when the test says so, with the generation as refusal."""

    def __init__(self, *, answers_at_once=True):
        self.answers_at_once = answers_at_once
        self.asked = []
        self.open = []

    def call(self, request):
        self.asked.append(request.group_id)
        answer = asyncio.get_running_loop().create_future()
        refusal = GroupRefusal(request.generation_id) if request.generation_id else None
        self.open.append((answer, HeartbeatTaken(refusal)))
        if self.answers_at_once:
            self.answer_all()
        return answer

    def answer_all(self):
        while self.open:
            # The last first: answers come in any order.
            answer, taken = self.open.pop()
            answer.set_result(taken)


@asynccontextmanager
async def served(coordinators, address="127.0.0.1:0"):
    """The address of a server of `coordinators`, and its servicer."""
    servicer = CoordinatorServicer(coordinators)
    server = RpcServer([service(servicer)], address=address)
    await server.start()
    try:
        yield f"127.0.0.1:{server.port}", servicer
    finally:
        await server.stop(grace_s=0)


@asynccontextmanager
async def calling(address, **options):
    async with open_channel(address) as channel:
        calls = CallStreamClient("p-0", lambda: open_call_stream(channel), **options)
        try:
            yield calls
        finally:
            await calls.close()


def beat(calls, group_id="g", generation_id=0):
    return calls.submit(GroupHeartbeat(group_id, "m", generation_id))


def run(scenario):
    async def within_limits():
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


def counted(monkeypatch):
    """The numbers of calls in the messages that leave."""
    found = []
    next_message = CallStreamClient.next_message

    def counting(self):
        message = next_message(self)
        if message is not None:
            found.append(len(pb.GroupCalls.FromString(message).calls))
        return message

    monkeypatch.setattr(CallStreamClient, "next_message", counting)
    return found


def test_calls_arrive_in_order_and_replies_are_matched():
    async def scenario():
        owner = Coordinators(answers_at_once=False)
        async with served(owner) as (address, _), calling(address) as calls:
            asked = [beat(calls, f"g{n}", n % 26) for n in range(200)]
            await until(lambda: len(owner.asked) == 200)
            owner.answer_all()
            refusals = [(await one).refusal for one in asked]
            assert refusals == [GroupRefusal(n % 26) if n % 26 else None for n in range(200)]
            assert owner.asked == [f"g{n}" for n in range(200)]

    run(scenario)


def test_queued_appends_leave_in_one_message(monkeypatch):
    messages = counted(monkeypatch)

    async def scenario():
        async with served(Coordinators()) as (address, _), calling(address) as calls:
            await asyncio.gather(*(beat(calls) for _ in range(1200)))
            assert (sum(messages), max(messages)) == (1200, 512)
            assert len(messages) <= 5

    run(scenario)


def test_a_message_has_about_a_megabyte_and_at_least_one_call(monkeypatch):
    messages = counted(monkeypatch)
    monkeypatch.setattr(call_stream, "_MESSAGE_BYTES_MAX", 50_000)

    async def scenario():
        async with served(Coordinators()) as (address, _), calling(address) as calls:
            sizes = [20_000, 20_000, 20_000, 10, 10]
            await asyncio.gather(*(beat(calls, "x" * size) for size in sizes))
            assert messages == [2, 3]

    run(scenario)


def test_unanswered_bytes_are_bounded(monkeypatch):
    monkeypatch.setattr(call_stream, "_UNANSWERED_BYTES_MAX", 30_000)
    monkeypatch.setattr(call_stream, "_MESSAGE_BYTES_MAX", 20_000)

    async def scenario():
        owner = Coordinators(answers_at_once=False)
        async with served(owner) as (address, _), calling(address) as calls:
            asked = [beat(calls, "x" * 20_000) for _ in range(4)]
            await until(lambda: len(owner.asked) == 2)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert len(owner.asked) == 2
            owner.answers_at_once = True
            owner.answer_all()
            await asyncio.gather(*asked)

    run(scenario)


def test_broken_stream_fails_its_calls_and_the_next_call_opens_another(caplog):
    async def scenario():
        port = ReservedPort()
        owner = Coordinators(answers_at_once=False)
        async with calling(port.address) as calls:
            async with served(owner, port.address):
                lost = beat(calls)
                await until(lambda: owner.asked)
            with pytest.raises(BackendUnavailable, match="p-0 CallStream"):
                await lost
            owner.answers_at_once = True
            async with served(owner, port.address):
                while True:
                    try:
                        assert await beat(calls, "again") == HeartbeatTaken()
                        break
                    except BackendUnavailable:
                        continue
        port.release()

    with caplog.at_level(logging.INFO):
        run(scenario)
    assert "stream lost: p-0 CallStream" in caplog.text


def test_calls_that_were_not_sent_raise_call_not_sent(monkeypatch):
    monkeypatch.setattr(call_stream, "_UNANSWERED_BYTES_MAX", 1)
    monkeypatch.setattr(call_stream, "_MESSAGE_CALLS_MAX", 1)

    async def scenario():
        port = ReservedPort()
        owner = Coordinators(answers_at_once=False)
        async with calling(port.address) as calls:
            with pytest.raises(CallNotSent):
                await beat(calls)
            async with served(owner, port.address):
                while not owner.asked:
                    # Until the channel has connected again.
                    sent, waiting = beat(calls, "sent"), beat(calls, "waiting")
                    await until(lambda one=sent: one.done() or owner.asked)
            errors = await asyncio.gather(sent, waiting, return_exceptions=True)
            assert [type(one) for one in errors] == [BackendUnavailable, CallNotSent]
        assert owner.asked == ["sent"]
        port.release()

    run(scenario)


def test_stopping_service_replies_before_it_ends_its_streams():
    async def scenario():
        owner = Coordinators(answers_at_once=False)
        async with served(owner) as (address, servicer), calling(address) as calls:
            asked = beat(calls)
            await until(lambda: owner.asked)
            servicer.end_streams()
            owner.answer_all()
            assert await asked == HeartbeatTaken()
            with pytest.raises(BackendUnavailable, match="stopping"):
                await beat(calls)
            assert len(owner.asked) == 1

    run(scenario)


def test_cancelled_callers_do_not_affect_others():
    async def scenario():
        owner = Coordinators(answers_at_once=False)
        async with served(owner) as (address, _), calling(address) as calls:
            never_sent, early, late = beat(calls, "never"), beat(calls, "a"), beat(calls, "b", 6)
            never_sent.cancel()
            await until(lambda: len(owner.asked) == 2)
            early.cancel()
            owner.answer_all()
            assert (await late).refusal is GroupRefusal(6)
            assert owner.asked == ["a", "b"]
            assert not calls._unanswered
            assert calls._unanswered_bytes == 0

    run(scenario)


def test_overdue_call_fails_alone_while_others_have_replies(monkeypatch):
    monkeypatch.setattr(batching_stream, "_CHECK_S", 0.001)

    async def scenario():
        owner = Coordinators(answers_at_once=False)
        async with served(owner) as (address, _), calling(address, reply_timeout_s=0.2) as calls:
            slow = beat(calls)
            await until(lambda: owner.asked)
            held = owner.open.pop()
            owner.answers_at_once = True
            while not slow.done():
                await beat(calls)
                await asyncio.sleep(0.001)
            with pytest.raises(BackendUnavailable, match="no reply in time"):
                await slow
            # Its answer comes all the same, and the stream goes on.
            held[0].set_result(held[1])
            assert await beat(calls) == HeartbeatTaken()
            assert calls._unanswered_bytes == 0

    run(scenario)


def test_stream_without_replies_is_closed(monkeypatch):
    monkeypatch.setattr(batching_stream, "_CHECK_S", 0.001)

    async def scenario():
        owner = Coordinators(answers_at_once=False)
        async with served(owner) as (address, _), calling(address, reply_timeout_s=0.05) as calls:
            with pytest.raises(BackendUnavailable, match=r"no reply in 0\.05 s"):
                await beat(calls)

    run(scenario)


def test_close_fails_unanswered_calls():
    async def scenario():
        owner = Coordinators(answers_at_once=False)
        async with served(owner) as (address, _), calling(address) as calls:
            asked = beat(calls)
            await until(lambda: owner.asked)
            await calls.close()
            with pytest.raises(BackendUnavailable, match="stopping"):
                await asked

    run(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        pb.GroupAnswer(commit_offsets=pb.CommitResult()),
        pb.GroupAnswer(heartbeat=pb.HeartbeatTaken(refusal=999)),
        pb.GroupAnswer(),
    ],
)
def test_reply_of_another_kind_is_an_error(answer):
    async def scenario():
        owner = Coordinators(answers_at_once=False)
        async with served(owner) as (address, _), calling(address) as calls:
            asked = beat(calls)
            await until(lambda: owner.asked)
            answer.call_id = 1
            calls._complete(answer)
            with pytest.raises(BackendUnavailable, match="p-0"):
                await asked

    run(scenario)

import asyncio

import pytest
from google.protobuf.message import DecodeError

from common.ports.classic_groups import HeartbeatReply
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitResult
from common.ports.unavailable import BackendUnavailable
from common.rpc.status import MalformedRequest
from partition_svc.rpc.call_stream import CallStream
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.support.stores.partition_core import until


class Coordinators:
    """Records calls; the test completes their `replies`, by group id."""

    def __init__(self):
        self.called = []
        self.replies = {}

    def call(self, request):
        if request.group_id == "a bug":
            raise RuntimeError("oops")
        return self._start(request.group_id)

    def _start(self, group_id):
        self.called.append(group_id)
        self.replies[group_id] = asyncio.get_running_loop().create_future()
        return self.replies[group_id]


class Requests:
    """Requests of a caller, which the test sends; counts those read."""

    def __init__(self):
        self._queue = asyncio.Queue()
        self.read_count = 0

    def send(self, *calls):
        self._queue.put_nowait(pb.GroupCalls(calls=calls))

    def end(self, error=None):
        self._queue.put_nowait(error)

    def __aiter__(self):
        return self

    async def __anext__(self):
        request = await self._queue.get()
        if request is None:
            raise StopAsyncIteration
        if isinstance(request, Exception):
            raise request
        self.read_count += 1
        return request


def heartbeat(call_id, group_id):
    return pb.GroupCall(call_id=call_id, heartbeat=pb.GroupHeartbeat(group_id=group_id))


def commit(call_id, group_id, **fields):
    request = pb.CommitOffsetsRequest(group_id=group_id, **fields)
    return pb.GroupCall(call_id=call_id, commit_offsets=request)


def run(test, *, bytes_in_flight_max=1 << 20):
    async def within_limits():
        async with asyncio.timeout(60):
            coordinators, requests = Coordinators(), Requests()
            stream = CallStream(coordinators, bytes_in_flight_max=bytes_in_flight_max)
            await test(coordinators, requests, stream)

    asyncio.run(within_limits())


async def read_all(stream, requests):
    return [list(message.answers) async for message in stream.responses(requests)]


def test_calls_begin_in_order_and_replies_are_sent_as_they_complete():
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(commit(1, "a"), heartbeat(2, "b"))
        requests.send(heartbeat(3, "c"))
        requests.end()
        await until(lambda: len(coordinators.called) == 3)
        assert coordinators.called == ["a", "b", "c"]
        coordinators.replies["c"].set_result(HeartbeatReply(GroupRefusal.ILLEGAL_GENERATION))
        await asyncio.sleep(0.001)
        assert not reading.done()
        # Both complete in one iteration of the loop, so one message has both.
        coordinators.replies["b"].set_result(HeartbeatReply())
        coordinators.replies["a"].set_result(CommitResult([None]))
        first, second = await reading
        assert [reply.call_id for reply in first] == [3]
        assert first[0].heartbeat.refusal == GroupRefusal.ILLEGAL_GENERATION
        assert [(reply.call_id, reply.WhichOneof("answer")) for reply in second] == [
            (2, "heartbeat"),
            (1, "commit_offsets"),
        ]
        assert stream.failure is None

    run(test)


@pytest.mark.parametrize(
    "wrong",
    [
        pb.GroupCall(call_id=9),
        heartbeat(9, "x" * 40_000),
        commit(9, "g", offsets=[pb.OffsetToCommit(topic_id=b"short")]),
    ],
)
def test_malformed_message_begins_no_call_and_calls_in_flight_get_replies(wrong):
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(heartbeat(1, "before"))
        await until(lambda: coordinators.called)
        requests.send(heartbeat(2, "same message"), wrong)
        await until(lambda: stream.failure)
        assert isinstance(stream.failure, MalformedRequest)
        coordinators.replies["before"].set_result(HeartbeatReply())
        ((reply,),) = await reading
        assert (reply.call_id, coordinators.called) == (1, ["before"])

    run(test)


def test_undecodable_message_ends_the_stream():
    async def test(_, requests, stream):
        requests.end(DecodeError("garbage"))
        assert await read_all(stream, requests) == []
        assert isinstance(stream.failure, MalformedRequest)

    run(test)


def test_a_bug_in_one_call_fails_only_that_call(caplog):
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(heartbeat(1, "a bug"), heartbeat(2, "late bug"), heartbeat(3, "fine"))
        await until(lambda: len(coordinators.called) == 2)
        coordinators.replies["late bug"].set_exception(RuntimeError("oops"))
        coordinators.replies["fine"].set_result(HeartbeatReply())
        requests.end()
        replies = [reply for message in await reading for reply in message]
        refusals = {reply.call_id: reply.heartbeat.refusal for reply in replies}
        not_available = GroupRefusal.COORDINATOR_NOT_AVAILABLE
        assert refusals == {1: not_available, 2: not_available, 3: 0}
        assert caplog.text.count("RuntimeError: oops") == 2

    run(test)


def test_unavailable_coordinators_end_the_stream_after_the_other_replies():
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(heartbeat(1, "a"), heartbeat(2, "b"))
        await until(lambda: len(coordinators.called) == 2)
        coordinators.replies["a"].set_exception(BackendUnavailable("stopping"))
        await until(lambda: stream.failure)
        coordinators.replies["b"].set_result(HeartbeatReply())
        ((reply,),) = await reading
        assert reply.call_id == 2
        assert isinstance(stream.failure, BackendUnavailable)

    run(test)


def test_stream_of_a_caller_that_does_not_read_is_not_read():
    async def test(coordinators, requests, stream):
        responses = stream.responses(requests)
        for number in range(5):
            requests.send(heartbeat(number, f"g{number}"))
        reading = asyncio.ensure_future(anext(responses))
        # Each call counts as a kilobyte and its own bytes, so the third exceeds the limit.
        await until(lambda: len(coordinators.called) == 3)
        for group_id in tuple(coordinators.called):
            coordinators.replies[group_id].set_result(HeartbeatReply())
        assert len((await reading).answers) == 3
        await asyncio.sleep(0.001)
        assert requests.read_count == 3
        reading = asyncio.ensure_future(anext(responses))
        await until(lambda: len(coordinators.called) == 5)
        coordinators.replies["g4"].set_result(HeartbeatReply())
        assert [reply.call_id for reply in (await reading).answers] == [4]
        await responses.aclose()

    run(test, bytes_in_flight_max=2500)


def test_cancelled_stream_does_not_cancel_its_calls():
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(heartbeat(1, "a"))
        await until(lambda: coordinators.called)
        reading.cancel()
        await asyncio.wait([reading])
        assert not coordinators.replies["a"].cancelled()
        coordinators.replies["a"].set_result(HeartbeatReply())
        await asyncio.sleep(0)

    run(test)


def test_a_reply_that_cannot_be_encoded_fails_only_its_call(caplog):
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(heartbeat(1, "a"), heartbeat(2, "b"))
        requests.end()
        await until(lambda: len(coordinators.called) == 2)
        coordinators.replies["a"].set_result("no reply")
        coordinators.replies["b"].set_result(HeartbeatReply())
        (replies,) = await reading
        assert [(reply.call_id, reply.heartbeat.refusal) for reply in replies] == [
            (1, GroupRefusal.COORDINATOR_NOT_AVAILABLE),
            (2, 0),
        ]
        assert "group 'a'" in caplog.text

    run(test)

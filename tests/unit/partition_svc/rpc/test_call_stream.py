import asyncio

import pytest
from google.protobuf.message import DecodeError

from common.ports.classic_groups import HeartbeatTaken
from common.ports.group_errors import GroupRefusal
from common.ports.group_offsets import CommitResult
from common.ports.unavailable import BackendUnavailable
from common.rpc.status import MalformedRequest
from partition_svc.rpc.call_stream import CallStream
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.support.stores.partition_core import until


class Coordinators:
    """Takes calls, and answers them when the test says so."""

    def __init__(self):
        self.asked = []
        self.answers = {}

    def call(self, request):
        if request.group_id == "a bug":
            raise RuntimeError("oops")
        return self._begun(request.group_id)

    def _begun(self, group_id):
        self.asked.append(group_id)
        self.answers[group_id] = asyncio.get_running_loop().create_future()
        return self.answers[group_id]


class Requests:
    """What a caller sends, as it comes."""

    def __init__(self):
        self._queue = asyncio.Queue()
        self.taken = 0

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
        self.taken += 1
        return request


def beat(call_id, group_id):
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


async def answered(stream, requests):
    return [list(one.answers) async for one in stream.responses(requests)]


def test_calls_begin_in_order_and_answers_come_as_they_are_known():
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(answered(stream, requests))
        requests.send(commit(1, "a"), beat(2, "b"))
        requests.send(beat(3, "c"))
        requests.end()
        await until(lambda: len(coordinators.asked) == 3)
        assert coordinators.asked == ["a", "b", "c"]
        coordinators.answers["c"].set_result(HeartbeatTaken(GroupRefusal.ILLEGAL_GENERATION))
        await asyncio.sleep(0.001)
        assert not reading.done()
        # Both in one turn of the loop: they leave in one message.
        coordinators.answers["b"].set_result(HeartbeatTaken())
        coordinators.answers["a"].set_result(CommitResult([None]))
        first, second = await reading
        assert [one.call_id for one in first] == [3]
        assert first[0].heartbeat.refusal == GroupRefusal.ILLEGAL_GENERATION
        assert [(one.call_id, one.WhichOneof("answer")) for one in second] == [
            (2, "heartbeat"),
            (1, "commit_offsets"),
        ]
        assert stream.failure is None

    run(test)


@pytest.mark.parametrize(
    "wrong",
    [
        pb.GroupCall(call_id=9),
        beat(9, "x" * 40_000),
        commit(9, "g", offsets=[pb.OffsetToCommit(topic_id=b"short")]),
    ],
)
def test_of_a_malformed_message_no_call_begins_and_what_is_in_flight_is_answered(wrong):
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(answered(stream, requests))
        requests.send(beat(1, "before"))
        await until(lambda: coordinators.asked)
        requests.send(beat(2, "beside"), wrong)
        await until(lambda: stream.failure)
        assert isinstance(stream.failure, MalformedRequest)
        coordinators.answers["before"].set_result(HeartbeatTaken())
        ((answer,),) = await reading
        assert (answer.call_id, coordinators.asked) == (1, ["before"])

    run(test)


def test_what_is_no_message_ends_the_stream():
    async def test(_, requests, stream):
        requests.end(DecodeError("garbage"))
        assert await answered(stream, requests) == []
        assert isinstance(stream.failure, MalformedRequest)

    run(test)


def test_a_bug_in_one_call_is_its_own(caplog):
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(answered(stream, requests))
        requests.send(beat(1, "a bug"), beat(2, "late bug"), beat(3, "fine"))
        await until(lambda: len(coordinators.asked) == 2)
        coordinators.answers["late bug"].set_exception(RuntimeError("oops"))
        coordinators.answers["fine"].set_result(HeartbeatTaken())
        requests.end()
        found = [one for message in await reading for one in message]
        refusals = {one.call_id: one.heartbeat.refusal for one in found}
        not_available = GroupRefusal.COORDINATOR_NOT_AVAILABLE
        assert refusals == {1: not_available, 2: not_available, 3: 0}
        assert caplog.text.count("RuntimeError: oops") == 2

    run(test)


def test_coordinators_that_give_no_answer_end_the_stream_when_the_rest_is_answered():
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(answered(stream, requests))
        requests.send(beat(1, "a"), beat(2, "b"))
        await until(lambda: len(coordinators.asked) == 2)
        coordinators.answers["a"].set_exception(BackendUnavailable("stopping"))
        await until(lambda: stream.failure)
        coordinators.answers["b"].set_result(HeartbeatTaken())
        ((answer,),) = await reading
        assert answer.call_id == 2
        assert isinstance(stream.failure, BackendUnavailable)

    run(test)


def test_a_caller_that_does_not_read_its_answers_is_not_read_from():
    async def test(coordinators, requests, stream):
        answers = stream.responses(requests)
        for number in range(5):
            requests.send(beat(number, f"g{number}"))
        reading = asyncio.ensure_future(anext(answers))
        # Each counts as a kilobyte and its own bytes: the third is over the bound.
        await until(lambda: len(coordinators.asked) == 3)
        for group_id in tuple(coordinators.asked):
            coordinators.answers[group_id].set_result(HeartbeatTaken())
        assert len((await reading).answers) == 3
        await asyncio.sleep(0.001)
        assert requests.taken == 3
        reading = asyncio.ensure_future(anext(answers))
        await until(lambda: len(coordinators.asked) == 5)
        coordinators.answers["g4"].set_result(HeartbeatTaken())
        assert [one.call_id for one in (await reading).answers] == [4]
        await answers.aclose()

    run(test, bytes_in_flight_max=2500)


def test_a_caller_that_leaves_takes_nothing_with_it():
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(answered(stream, requests))
        requests.send(beat(1, "a"))
        await until(lambda: coordinators.asked)
        reading.cancel()
        await asyncio.wait([reading])
        assert not coordinators.answers["a"].cancelled()
        coordinators.answers["a"].set_result(HeartbeatTaken())
        await asyncio.sleep(0)

    run(test)


def test_an_answer_that_cannot_be_encoded_does_not_take_the_others_along(caplog):
    async def test(coordinators, requests, stream):
        reading = asyncio.ensure_future(answered(stream, requests))
        requests.send(beat(1, "a"), beat(2, "b"))
        requests.end()
        await until(lambda: len(coordinators.asked) == 2)
        coordinators.answers["a"].set_result("no reply")
        coordinators.answers["b"].set_result(HeartbeatTaken())
        (answers,) = await reading
        assert [(one.call_id, one.heartbeat.refusal) for one in answers] == [
            (1, GroupRefusal.COORDINATOR_NOT_AVAILABLE),
            (2, 0),
        ]
        assert "group 'a'" in caplog.text

    run(test)

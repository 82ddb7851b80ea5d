import asyncio

import pytest
from google.protobuf.message import DecodeError

from common.rpc.status import MalformedRequest
from partition_svc.rpc.bounded_stream import BoundedStream
from tests.support.stores.partition_core import until


class Requests:
    """Requests of a caller, which the test sends; counts those read."""

    def __init__(self):
        self._queue = asyncio.Queue()
        self.read_count = 0

    def send(self, *requests):
        for request in requests:
            self._queue.put_nowait(request)

    def end(self):
        self._queue.put_nowait(StopAsyncIteration())

    def __aiter__(self):
        return self

    async def __anext__(self):
        request = await self._queue.get()
        if isinstance(request, Exception):
            raise request
        self.read_count += 1
        return request


class Sizes(BoundedStream):
    """A stream whose requests are sizes; `reply` completes one; a response has at most two."""

    def __init__(self, bytes_in_flight_max):
        super().__init__(bytes_in_flight_max=bytes_in_flight_max)
        self.begun = []
        self.done = []

    def _begin_calls(self, request):
        if request < 0:
            raise MalformedRequest("a negative size")
        self._call_started(request)
        self.begun.append(request)

    @property
    def _has_responses(self):
        return bool(self.done)

    def _next_response(self):
        response, self.done = self.done[:2], self.done[2:]
        return response, sum(response)

    def reply(self, size):
        self.done.append(size)
        self._call_finished()


def run(scenario, *, bytes_in_flight_max=100):
    async def within_limits():
        async with asyncio.timeout(60):
            await scenario(Requests(), Sizes(bytes_in_flight_max))

    asyncio.run(within_limits())


async def read_all(stream, requests):
    return [response async for response in stream.responses(requests)]


def test_results_that_are_ready_together_are_sent_in_one_message():
    async def scenario(requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(1, 2, 3)
        requests.end()
        await until(lambda: stream.begun == [1, 2, 3])
        for size in (3, 1, 2):
            stream.reply(size)
        assert await reading == [[3, 1], [2]]
        assert stream.failure is None

    run(scenario)


def test_requests_beyond_the_limit_are_read_after_responses_were_sent():
    async def scenario(requests, stream):
        responses = stream.responses(requests)
        reading = asyncio.ensure_future(anext(responses))
        requests.send(60, 60, 10, 10)
        await until(lambda: requests.read_count == 2)
        stream.reply(60)
        assert await reading == [60]
        await asyncio.sleep(0)
        assert requests.read_count == 2
        reading = asyncio.ensure_future(anext(responses))
        await until(lambda: requests.read_count == 4)
        stream.reply(60)
        assert await reading == [60]
        await responses.aclose()

    run(scenario)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(-1, "a negative size"), (DecodeError("x"), "the request is not of its message type")],
)
def test_malformed_request_ends_the_stream_after_the_other_responses(wrong, message):
    async def scenario(requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(1, wrong, 2)
        await until(lambda: stream.failure)
        assert not reading.done()
        stream.reply(1)
        assert await reading == [[1]]
        assert isinstance(stream.failure, MalformedRequest)
        assert str(stream.failure) == message
        assert stream.begun == [1]

    run(scenario)


def test_ended_stream_begins_no_calls_and_keeps_the_first_reason():
    async def scenario(requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(200)
        await until(lambda: stream.begun)
        stream.end(RuntimeError("first"))
        stream.end(RuntimeError("second"))
        requests.send(1)
        stream.reply(200)
        assert await reading == [[200]]
        assert str(stream.failure) == "first"
        assert stream.begun == [200]

    run(scenario)


def test_bug_is_raised_after_the_other_responses():
    async def scenario(requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(1, "no number")
        await until(lambda: stream.begun)
        stream.reply(1)
        with pytest.raises(TypeError):
            await reading

    run(scenario)


def test_bug_in_reading_without_calls_in_flight_ends_the_stream():
    async def scenario(requests, stream):
        requests.send("no number")
        with pytest.raises(TypeError):
            await read_all(stream, requests)
        assert not stream.begun

    run(scenario)


def test_call_without_a_response_ends_the_stream_after_the_others():
    async def scenario(requests, stream):
        reading = asyncio.ensure_future(read_all(stream, requests))
        requests.send(1, 2)
        await until(lambda: len(stream.begun) == 2)
        stream.fail(ZeroDivisionError("a bug"))
        stream._call_finished()
        stream.reply(2)
        with pytest.raises(ZeroDivisionError):
            await reading

    run(scenario)

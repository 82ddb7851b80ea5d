import asyncio

import grpc.aio
import pytest

from common.ports.unavailable import BackendUnavailable
from common.rpc import leader_stream
from common.rpc.leader_stream import LeaderStream
from tests.contracts.metadata_contract import until


class FakeCall:
    """A bidirectional call that ends when it is cancelled."""

    def __init__(self):
        self.responses = asyncio.Queue()
        self.written = []
        self._end = asyncio.Event()

    async def read(self):
        reading = asyncio.create_task(self.responses.get())
        ending = asyncio.create_task(self._end.wait())
        await asyncio.wait((reading, ending), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not reading.done():
            reading.cancel()
            raise asyncio.CancelledError
        return reading.result()

    async def write(self, message):
        self.written.append(message)

    def done(self):
        return self._end.is_set()

    def cancel(self):
        is_first = not self._end.is_set()
        self._end.set()
        return is_first


class FakeLeaders:
    """Implements the callbacks of a stream, and records its calls."""

    def __init__(self):
        self.call = FakeCall()
        self.call_count = 0
        self.lost = []
        self.check_count = 0
        self.leads = True

    async def begin(self):
        self.call_count += 1
        return "leader", self.call

    async def is_leading(self, leader):
        assert leader == "leader"
        self.check_count += 1
        return self.leads

    def stream(self):
        return LeaderStream(
            self.begin, self.is_leading, lambda leader, _reason: self.lost.append(leader)
        )


def run(body):
    async def bounded():
        async with asyncio.timeout(60):
            await body(FakeLeaders())

    asyncio.run(bounded())


@pytest.fixture(autouse=True)
def check_without_pauses(monkeypatch):
    monkeypatch.setattr(leader_stream, "_CHECK_EVERY_S", 0.0)


def test_reading_and_writing_begin_one_call():
    async def body(leaders):
        stream = leaders.stream()
        leaders.call.responses.put_nowait("response")
        response, _ = await asyncio.gather(stream.read(), stream.write("request"))
        assert (response, leaders.call.written, leaders.call_count) == ("response", ["request"], 1)
        stream.cancel()

    run(body)


def test_a_leader_that_no_longer_leads_ends_the_call():
    async def body(leaders):
        stream = leaders.stream()
        reading = asyncio.create_task(stream.read())
        await until(lambda: leaders.check_count >= 3)
        assert not reading.done()
        leaders.leads = False
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert "leader" in leaders.lost
        stream.cancel()

    run(body)


def test_the_end_of_the_stream_marks_the_leader_as_lost():
    async def body(leaders):
        stream = leaders.stream()
        leaders.call.responses.put_nowait(grpc.aio.EOF)
        assert await stream.read() is grpc.aio.EOF
        assert leaders.lost == ["leader"]
        stream.cancel()

    run(body)


def test_reading_and_writing_fail_without_a_leader():
    async def fail():
        raise BackendUnavailable("no leader")

    async def body(leaders):
        stream = LeaderStream(fail, leaders.is_leading, lambda *_: None)
        for call in (stream.read, lambda: stream.write("x")):
            with pytest.raises(BackendUnavailable):
                await call()
        assert stream.cancel()

    run(body)


def test_cancelling_ends_the_call_and_the_checking():
    async def body(leaders):
        stream = leaders.stream()
        await stream.write("request")
        assert stream.cancel()
        assert leaders.call.done()
        await asyncio.sleep(0)
        assert stream._checking.cancelled() or stream._checking.done()

    run(body)


def test_cancelling_before_the_call_began_is_no_error():
    async def body(leaders):
        assert not leaders.stream().cancel()

    run(body)

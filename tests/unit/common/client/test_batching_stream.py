import asyncio
import logging
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from common.client import batching_stream
from common.client.batching_stream import BatchingStream
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from tests.support.processes.ports import ReservedPort

METHOD = "/tests.Long/Stream"


class Owner:
    """Gives back what it gets, and stops where a message says so."""

    def __init__(self):
        self.got = []
        self.streams = 0

    async def stream(self, requests, context):
        self.streams += 1
        async for request in requests:
            self.got.append(request)
            if request == b"end":
                return
            if request == b"abort":
                await context.abort(grpc.StatusCode.UNAVAILABLE, "for the test")
            yield request


class Waiting:
    """StreamHandler of messages that wait, at most `at_once` of them unanswered."""

    def __init__(self, *, at_once=100):
        self.waiting = []
        self.at_once = at_once
        self.under_way = 0
        self.answers = []
        self.errors = []
        self.changed = asyncio.Event()
        self.on_look = self.on_trouble = lambda: None

    @property
    def has_queued(self):
        return bool(self.waiting)

    def next_message(self):
        if not self.waiting or self.under_way >= self.at_once:
            return None
        self.under_way += 1
        return self.waiting.pop(0)

    def on_response(self, response):
        self.under_way -= 1
        self.answers.append(response)
        self.changed.set()
        if response == b"trouble":
            self.on_trouble()
            raise ValueError("an answer that is a bug")

    def check_timeouts(self):
        self.on_look()

    def on_lost(self, error):
        self.under_way = 0
        self.waiting.clear()
        self.errors.append(error)
        self.changed.set()

    async def until(self, condition):
        while not condition():
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def served(owner, address="127.0.0.1:0"):
    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(owner.stream)
    handlers = grpc.method_handlers_generic_handler("tests.Long", {"Stream": handler})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def streaming(address, traffic, **options):
    channel = open_channel(address)
    stream = BatchingStream("p-0", "Stream", channel.stream_stream(METHOD), traffic, **options)
    try:
        yield stream
    finally:
        await stream.close()
        await channel.close()


def run(story):
    async def within_limits():
        async with asyncio.timeout(60):
            await story()

    asyncio.run(within_limits())


def test_what_waits_is_sent_in_order_on_one_stream():
    async def story():
        owner, traffic = Owner(), Waiting()
        async with served(owner) as address, streaming(address, traffic) as stream:
            for first in (0, 5):
                traffic.waiting += [b"%d" % n for n in range(first, first + 5)]
                stream.wake()
                await traffic.until(lambda end=first + 5: len(traffic.answers) == end)
            assert owner.got == traffic.answers == [b"%d" % n for n in range(10)]
            assert owner.streams == 1

    run(story)


def test_what_may_not_be_sent_yet_goes_when_something_was_received():
    async def story():
        owner, traffic = Owner(), Waiting(at_once=1)
        async with served(owner) as address, streaming(address, traffic) as stream:
            traffic.waiting += [b"a", b"b", b"c"]
            stream.wake()
            await traffic.until(lambda: len(traffic.answers) == 3)
            assert owner.got == [b"a", b"b", b"c"]

    run(story)


def test_nothing_is_opened_before_there_is_something_to_send():
    async def story():
        owner, traffic = Owner(), Waiting()
        async with served(owner) as address, streaming(address, traffic):
            pass
        assert owner.streams == 0
        assert [str(one) for one in traffic.errors] == ["p-0: the gateway is stopping"]

    run(story)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"end", "p-0 Stream: ended by the owner"),
        (b"abort", "p-0 Stream: UNAVAILABLE: for the test"),
    ],
)
@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_a_stream_that_was_lost_is_told_of_and_opened_again(message, said, level, caplog):
    caplog.set_level(logging.INFO, batching_stream.__name__)

    async def story():
        owner, traffic = Owner(), Waiting()
        async with served(owner) as address, streaming(address, traffic, lost_level=level) as one:
            traffic.waiting.append(message)
            one.wake()
            await traffic.until(lambda: traffic.errors)
            traffic.waiting.append(b"again")
            one.wake()
            await traffic.until(lambda: b"again" in traffic.answers)
            assert owner.streams == 2
            assert [str(one) for one in traffic.errors] == [said]

    run(story)
    # gRPC has lines of its own where several event loops follow each other.
    ours = [one for one in caplog.records if one.name == batching_stream.__name__]
    assert [(one.levelno, one.message) for one in ours] == [(level, f"stream lost: {said}")]


def test_attempts_that_fail_one_after_the_other_are_told_once(caplog):
    caplog.set_level(logging.DEBUG, batching_stream.__name__)

    async def story():
        owner, traffic = Owner(), Waiting()
        async with served(owner) as address, streaming(address, traffic) as stream:
            for message in (b"abort", b"abort", b"abort", b"works", b"abort"):
                traffic.errors.clear()
                traffic.waiting.append(message)
                stream.wake()
                await traffic.until(lambda: traffic.errors or traffic.answers)
                traffic.answers.clear()

    run(story)
    ours = [one.levelno for one in caplog.records if one.name == batching_stream.__name__]
    assert ours == [logging.WARNING, logging.DEBUG, logging.DEBUG, logging.WARNING]


def test_an_abandoned_stream_fails_what_waits_and_another_one_is_opened(caplog):
    async def story():
        owner, traffic = Owner(), Waiting()
        async with served(owner) as address, streaming(address, traffic) as stream:
            traffic.waiting.append(b"a")
            stream.wake()
            await traffic.until(lambda: traffic.answers)
            traffic.waiting.append(b"waits")
            stream.abandon(BackendUnavailable("no connection"))
            # At once, before the stream has ended.
            assert [str(error) for error in traffic.errors] == ["no connection"]
            assert not traffic.waiting
            await traffic.until(lambda: len(traffic.errors) == 2)
            traffic.waiting.append(b"b")
            stream.wake()
            await traffic.until(lambda: b"b" in traffic.answers)
            assert owner.streams == 2
            assert owner.got == [b"a", b"b"]

    run(story)
    assert "stream lost: p-0 Stream: no connection" in caplog.text


def test_an_owner_that_is_not_there_is_lost_and_found_when_it_comes():
    async def story():
        port, owner, traffic = ReservedPort(), Owner(), Waiting()
        async with streaming(port.address, traffic) as stream:
            traffic.waiting.append(b"a")
            stream.wake()
            await traffic.until(lambda: traffic.errors)
            async with served(owner, port.address):
                while not traffic.answers:
                    traffic.waiting.append(b"b")
                    stream.wake()
                    traffic.errors.clear()
                    await traffic.until(lambda: traffic.answers or traffic.errors)
        port.release()
        assert traffic.answers[0] == b"b"

    run(story)


def test_who_closes_while_the_stream_breaks_is_not_kept_waiting():
    """A task group that is about to raise an error forgets that it was cancelled meanwhile."""

    async def story():
        owner, traffic = Owner(), Waiting()
        async with served(owner) as address, streaming(address, traffic) as stream:
            closing = []
            traffic.on_trouble = lambda: closing.append(asyncio.create_task(stream.close()))
            traffic.waiting.append(b"trouble")
            stream.wake()
            await traffic.until(lambda: traffic.errors)
            await closing[0]

    run(story)


def test_a_bug_loses_the_stream_with_its_traceback(caplog):
    async def story():
        owner, traffic = Owner(), Waiting()
        async with served(owner) as address, streaming(address, traffic) as stream:
            traffic.waiting.append(b"trouble")
            stream.wake()
            await traffic.until(lambda: traffic.errors)
            traffic.waiting.append(b"a")
            stream.wake()
            await traffic.until(lambda: b"a" in traffic.answers)
            assert isinstance(traffic.errors[0], BackendUnavailable)

    run(story)
    (record,) = [one for one in caplog.records if one.name == batching_stream.__name__]
    assert record.message == "p-0 Stream failed"
    assert "an answer that is a bug" in str(record.exc_info[1])


def test_traffic_that_finds_its_answers_overdue_ends_the_stream(monkeypatch):
    monkeypatch.setattr(batching_stream, "_CHECK_S", 0.001)

    async def story():
        owner, traffic = Owner(), Waiting()

        def look():
            if traffic.answers:
                raise BackendUnavailable("overdue")

        traffic.on_look = look
        async with served(owner) as address, streaming(address, traffic) as stream:
            traffic.waiting.append(b"a")
            stream.wake()
            await traffic.until(lambda: traffic.errors)
            assert [str(one) for one in traffic.errors] == ["overdue"]

    run(story)

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


class FakeOwner:
    """Echoes messages; ends the stream after b"end" and aborts it after b"abort"."""

    def __init__(self):
        self.received = []
        self.streams = 0

    async def stream(self, requests, context):
        self.streams += 1
        async for request in requests:
            self.received.append(request)
            if request == b"end":
                return
            if request == b"abort":
                await context.abort(grpc.StatusCode.UNAVAILABLE, "for the test")
            yield request


class QueueHandler:
    """Implements `StreamHandler` over a queue, with at most `in_flight_max` messages in flight."""

    def __init__(self, *, in_flight_max=100):
        self.queue = []
        self.in_flight_max = in_flight_max
        self.in_flight = 0
        self.responses = []
        self.errors = []
        self.changed = asyncio.Event()
        self.on_check = self.on_trouble = lambda: None

    @property
    def has_queued(self):
        return bool(self.queue)

    def next_message(self):
        if not self.queue or self.in_flight >= self.in_flight_max:
            return None
        self.in_flight += 1
        return self.queue.pop(0)

    def on_response(self, response):
        self.in_flight -= 1
        self.responses.append(response)
        self.changed.set()
        if response == b"trouble":
            self.on_trouble()
            raise ValueError("a bug in the handler")

    def check_timeouts(self):
        self.on_check()

    def on_lost(self, error):
        self.in_flight = 0
        self.queue.clear()
        self.errors.append(error)
        self.changed.set()

    async def wait_until(self, condition):
        while not condition():
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def serve(owner, address="127.0.0.1:0"):
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
async def run_stream(address, handler, **options):
    channel = open_channel(address)
    stream = BatchingStream("p-0", "Stream", channel.stream_stream(METHOD), handler, **options)
    try:
        yield stream
    finally:
        await stream.close()
        await channel.close()


def run(scenario):
    async def within_limits():
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


def test_queued_items_are_sent_in_order_on_one_stream():
    async def scenario():
        owner, handler = FakeOwner(), QueueHandler()
        async with serve(owner) as address, run_stream(address, handler) as stream:
            for first in (0, 5):
                handler.queue += [b"%d" % n for n in range(first, first + 5)]
                stream.wake()
                await handler.wait_until(lambda end=first + 5: len(handler.responses) == end)
            assert owner.received == handler.responses == [b"%d" % n for n in range(10)]
            assert owner.streams == 1

    run(scenario)


def test_queued_items_are_sent_after_a_response():
    async def scenario():
        owner, handler = FakeOwner(), QueueHandler(in_flight_max=1)
        async with serve(owner) as address, run_stream(address, handler) as stream:
            handler.queue += [b"a", b"b", b"c"]
            stream.wake()
            await handler.wait_until(lambda: len(handler.responses) == 3)
            assert owner.received == [b"a", b"b", b"c"]

    run(scenario)


def test_stream_is_not_opened_before_an_item_is_queued():
    async def scenario():
        owner, handler = FakeOwner(), QueueHandler()
        async with serve(owner) as address, run_stream(address, handler):
            pass
        assert owner.streams == 0
        assert [str(error) for error in handler.errors] == ["p-0: the gateway is stopping"]

    run(scenario)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"end", "p-0 Stream: ended by the owner"),
        (b"abort", "p-0 Stream: UNAVAILABLE: for the test"),
    ],
)
@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_lost_stream_is_logged_and_opened_again(message, reason, level, caplog):
    caplog.set_level(logging.INFO, batching_stream.__name__)

    async def scenario():
        owner, handler = FakeOwner(), QueueHandler()
        async with (
            serve(owner) as address,
            run_stream(address, handler, lost_level=level) as stream,
        ):
            handler.queue.append(message)
            stream.wake()
            await handler.wait_until(lambda: handler.errors)
            handler.queue.append(b"again")
            stream.wake()
            await handler.wait_until(lambda: b"again" in handler.responses)
            assert owner.streams == 2
            assert [str(error) for error in handler.errors] == [reason]

    run(scenario)
    # gRPC logs lines of its own when several event loops follow each other.
    records = [record for record in caplog.records if record.name == batching_stream.__name__]
    assert [(record.levelno, record.message) for record in records] == [
        (level, f"stream lost: {reason}")
    ]


def test_failed_attempts_in_a_row_are_logged_once(caplog):
    caplog.set_level(logging.DEBUG, batching_stream.__name__)

    async def scenario():
        owner, handler = FakeOwner(), QueueHandler()
        async with serve(owner) as address, run_stream(address, handler) as stream:
            for message in (b"abort", b"abort", b"abort", b"works", b"abort"):
                handler.errors.clear()
                handler.queue.append(message)
                stream.wake()
                await handler.wait_until(lambda: handler.errors or handler.responses)
                handler.responses.clear()

    run(scenario)
    records = [
        record.levelno for record in caplog.records if record.name == batching_stream.__name__
    ]
    assert records == [logging.WARNING, logging.DEBUG, logging.DEBUG, logging.WARNING]


def test_abandoned_stream_fails_queued_items_and_another_is_opened(caplog):
    async def scenario():
        owner, handler = FakeOwner(), QueueHandler()
        async with serve(owner) as address, run_stream(address, handler) as stream:
            handler.queue.append(b"a")
            stream.wake()
            await handler.wait_until(lambda: handler.responses)
            handler.queue.append(b"waits")
            stream.abandon(BackendUnavailable("no connection"))
            # The items fail at once, before the stream has ended.
            assert [str(error) for error in handler.errors] == ["no connection"]
            assert not handler.queue
            await handler.wait_until(lambda: len(handler.errors) == 2)
            handler.queue.append(b"b")
            stream.wake()
            await handler.wait_until(lambda: b"b" in handler.responses)
            assert owner.streams == 2
            assert owner.received == [b"a", b"b"]

    run(scenario)
    assert "stream lost: p-0 Stream: no connection" in caplog.text


def test_stream_connects_when_the_owner_starts():
    async def scenario():
        port, owner, handler = ReservedPort(), FakeOwner(), QueueHandler()
        async with run_stream(port.address, handler) as stream:
            handler.queue.append(b"a")
            stream.wake()
            await handler.wait_until(lambda: handler.errors)
            async with serve(owner, port.address):
                while not handler.responses:
                    handler.queue.append(b"b")
                    stream.wake()
                    handler.errors.clear()
                    await handler.wait_until(lambda: handler.responses or handler.errors)
        port.release()
        assert handler.responses[0] == b"b"

    run(scenario)


def test_close_returns_while_the_stream_breaks():
    """A task group that is about to raise an error swallows a cancellation (Python 3.11)."""

    async def scenario():
        owner, handler = FakeOwner(), QueueHandler()
        async with serve(owner) as address, run_stream(address, handler) as stream:
            closing = []
            handler.on_trouble = lambda: closing.append(asyncio.create_task(stream.close()))
            handler.queue.append(b"trouble")
            stream.wake()
            await handler.wait_until(lambda: handler.errors)
            await closing[0]

    run(scenario)


def test_bug_in_the_handler_ends_the_stream_and_is_logged(caplog):
    async def scenario():
        owner, handler = FakeOwner(), QueueHandler()
        async with serve(owner) as address, run_stream(address, handler) as stream:
            handler.queue.append(b"trouble")
            stream.wake()
            await handler.wait_until(lambda: handler.errors)
            handler.queue.append(b"a")
            stream.wake()
            await handler.wait_until(lambda: b"a" in handler.responses)
            assert isinstance(handler.errors[0], BackendUnavailable)

    run(scenario)
    (record,) = [record for record in caplog.records if record.name == batching_stream.__name__]
    assert record.message == "p-0 Stream failed"
    assert "a bug in the handler" in str(record.exc_info[1])


def test_failed_timeout_check_ends_the_stream(monkeypatch):
    monkeypatch.setattr(batching_stream, "_CHECK_S", 0.001)

    async def scenario():
        owner, handler = FakeOwner(), QueueHandler()

        def check():
            if handler.responses:
                raise BackendUnavailable("overdue")

        handler.on_check = check
        async with serve(owner) as address, run_stream(address, handler) as stream:
            handler.queue.append(b"a")
            stream.wake()
            await handler.wait_until(lambda: handler.errors)
            assert [str(error) for error in handler.errors] == ["overdue"]

    run(scenario)

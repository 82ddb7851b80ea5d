import asyncio
import struct
import threading

import pytest
from google.protobuf.message import DecodeError

from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
    Append,
    AppendResult,
    LogId,
    Refusal,
    SubmittedAppend,
)
from common.ports.unavailable import BackendUnavailable
from common.rpc.messages.append import append_result_from_message
from common.rpc.status import MalformedRequest
from partition_svc.log.validation.validation import UnexaminedBatch
from partition_svc.rpc.append_stream import AppendStream
from protos.partition.v1 import partition_pb2 as pb
from tests.support.stores.partition_core import (
    TOPIC_ID,
    batch,
    read_everything,
    running_core,
    until,
)
from tests.support.wire.batches import record_batch, with_times
from tests.support.wire.records import Record


class Partitions:
    """Records appends; `reply` completes one of them."""

    def __init__(self):
        self.calls = []

    def append_one(self, log, batch, leader_epoch, *, acks):
        future = asyncio.get_running_loop().create_future()
        self.calls.append((acks, [batch], future))
        return SubmittedAppend(future, 0)

    def reply(self, number=0, *, refusal=None):
        _, batches, future = self.calls[number]
        future.set_result([AppendResult(5, refusal=refusal) for _ in batches])


class Requests:
    """Requests of a caller, which the test sends; counts those read."""

    def __init__(self):
        self._queue = asyncio.Queue()
        self.read_count = 0

    def send(self, *appends):
        self._queue.put_nowait(pb.AppendRequest(appends=appends))

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


def append_message(append_id, batch=b"x", acks=pb.ACKS_ALL, topic_id=TOPIC_ID):
    return pb.Append(append_id=append_id, topic_id=topic_id, acks=acks, batch=batch)


def run(test, *, bytes_in_flight_max=1000):
    async def within_limits():
        async with asyncio.timeout(60):
            partitions, requests = Partitions(), Requests()
            stream = AppendStream(partitions, bytes_in_flight_max=bytes_in_flight_max)
            await test(partitions, requests, stream)

    asyncio.run(within_limits())


async def read_ids(responses):
    return [result.append_id async for response in responses for result in response.results]


def test_results_are_sent_as_they_complete_and_the_stream_ends_after_all(tmp_path):
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        requests.send(append_message(1), append_message(2))
        requests.send(append_message(3))
        requests.end()
        reading = asyncio.ensure_future(read_ids(responses))
        await until(lambda: len(partitions.calls) == 3)
        partitions.reply(2)
        await asyncio.sleep(0)
        assert not reading.done()
        partitions.reply(1)
        partitions.reply(0)
        assert await reading == [3, 2, 1]
        assert stream.failure is None

    run(test)


def test_appends_start_in_the_order_of_arrival_with_their_acks():
    async def test(partitions, requests, stream):
        acks = [pb.ACKS_ALL, pb.ACKS_ALL, pb.ACKS_LEADER, pb.ACKS_NONE, pb.ACKS_ALL]
        requests.send(*(append_message(n, b"%d" % n, value) for n, value in enumerate(acks)))
        requests.end()
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: len(partitions.calls) == 5)
        assert [call[:2] for call in partitions.calls] == [
            (ACKS_ALL, [b"0"]),
            (ACKS_ALL, [b"1"]),
            (ACKS_LEADER, [b"2"]),
            (ACKS_NONE, [b"3"]),
            (ACKS_ALL, [b"4"]),
        ]
        for number in range(5):
            partitions.reply(number)
        # acks=0 gets no result.
        assert await reading == [0, 1, 2, 4]

    run(test)


def test_appends_that_share_a_future_get_their_own_results():
    async def test(partitions, requests, stream):
        shared = asyncio.get_running_loop().create_future()
        partitions.append_one = lambda log, batch, leader_epoch, *, acks: SubmittedAppend(
            shared, int(batch)
        )
        requests.send(append_message(1, b"2"), append_message(2, b"0"))
        requests.end()
        shared.set_result([AppendResult(offset) for offset in range(3)])
        (response,) = [response async for response in stream.responses(requests)]
        assert [(result.append_id, result.stored.base_offset) for result in response.results] == [
            (1, 2),
            (2, 0),
        ]

    run(test)


def test_refusals_are_sent_with_acks_0():
    async def test(partitions, requests, stream):
        requests.send(append_message(7, acks=pb.ACKS_NONE))
        requests.end()
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: bool(partitions.calls))
        partitions.reply(refusal=Refusal.KAFKA_STORAGE_ERROR)
        assert await reading == [7]

    run(test)


def test_pending_results_are_sent_in_one_message():
    async def test(partitions, requests, stream):
        for append_id in range(300):
            requests.send(append_message(append_id))
        requests.end()
        responses = stream.responses(requests)
        first = asyncio.ensure_future(anext(responses))
        await until(lambda: len(partitions.calls) == 300)
        for number in range(300):
            partitions.reply(number)
        sizes = [len((await first).results)]
        sizes += [len(response.results) async for response in responses]
        assert sizes == [256, 44]

    run(test, bytes_in_flight_max=1 << 20)


def test_stream_is_not_read_while_too_many_bytes_are_in_flight():
    async def test(partitions, requests, stream):
        for append_id in range(10):
            requests.send(append_message(append_id, b"x" * 400))
        requests.end()
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: requests.read_count == 3)
        for _ in range(10):
            await asyncio.sleep(0)
        assert requests.read_count == 3
        partitions.reply(0)
        await until(lambda: requests.read_count == 4)
        for number in range(1, 10):
            await until(lambda number=number: len(partitions.calls) > number)
            partitions.reply(number)
        assert await reading == list(range(10))

    run(test)


def test_stream_of_a_caller_that_does_not_read_is_not_read():
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        first = asyncio.ensure_future(anext(responses))
        for append_id in range(50):
            requests.send(append_message(append_id, b"x" * 400))
        await until(lambda: bool(partitions.calls))
        partitions.reply(0)
        await first
        for _ in range(200):
            await asyncio.sleep(0)
            for number, (_, _, future) in enumerate(partitions.calls):
                if not future.done():
                    partitions.reply(number)
        assert requests.read_count < 20
        await responses.aclose()

    run(test)


@pytest.mark.parametrize(
    "send",
    [
        lambda requests: requests.send(append_message(2), append_message(3, topic_id=b"short")),
        lambda requests: requests.send(append_message(2), append_message(3, acks=99)),
        lambda requests: requests.end(DecodeError("no message")),
    ],
    ids=["topic id", "acks", "bytes"],
)
def test_malformed_message_ends_the_stream_after_earlier_calls(send):
    async def test(partitions, requests, stream):
        requests.send(append_message(1))
        send(requests)
        requests.send(append_message(4))
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: stream.failure is not None)
        assert isinstance(stream.failure, MalformedRequest)
        partitions.reply(0)
        assert await reading == [1]
        # None of the malformed message, and nothing after it.
        assert len(partitions.calls) == 1

    run(test)


def test_stopping_service_sends_results_of_appends_in_flight():
    async def test(partitions, requests, stream):
        requests.send(append_message(1))
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: bool(partitions.calls))
        stream.end(BackendUnavailable("stopping"))
        stream.end(BackendUnavailable("a later reason"))
        partitions.reply(0)
        assert await reading == [1]
        assert str(stream.failure) == "stopping"

    run(test)


def test_append_without_an_outcome_ends_the_stream():
    async def test(partitions, requests, stream):
        requests.send(append_message(1))
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: bool(partitions.calls))
        partitions.calls[0][2].set_exception(BackendUnavailable("not the owner"))
        assert await reading == []
        assert isinstance(stream.failure, BackendUnavailable)

    run(test)


def test_bug_in_reading_is_raised():
    async def test(partitions, requests, stream):
        requests.end(ZeroDivisionError("a bug"))
        with pytest.raises(ZeroDivisionError):
            await read_ids(stream.responses(requests))

    run(test)


def test_append_that_raises_ends_the_stream_after_earlier_results():
    async def test(partitions, requests, stream):
        append_one = partitions.append_one

        def fail_for_acks_1(*append, acks):
            if acks == ACKS_LEADER:
                raise struct.error("a bug")
            return append_one(*append, acks=acks)

        partitions.append_one = fail_for_acks_1
        requests.send(append_message(1), append_message(2, acks=pb.ACKS_LEADER), append_message(3))
        responses = stream.responses(requests)
        first = asyncio.ensure_future(anext(responses))
        await until(lambda: bool(partitions.calls))
        partitions.reply(0)
        assert [result.append_id for result in (await first).results] == [1]
        with pytest.raises(struct.error):
            await anext(responses)

    run(test)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), asyncio.CancelledError()])
def test_future_that_fails_ends_the_stream(error):
    async def test(partitions, requests, stream):
        requests.send(append_message(1))
        requests.send(append_message(2, acks=pb.ACKS_LEADER))
        responses = stream.responses(requests)
        first = asyncio.ensure_future(anext(responses))
        await until(lambda: len(partitions.calls) == 2)
        partitions.calls[0][2].set_exception(error)
        await asyncio.sleep(0)
        partitions.reply(1)
        assert [result.append_id for result in (await first).results] == [2]
        with pytest.raises(type(error)):
            await anext(responses)

    run(test)


def test_append_does_not_wait_for_the_examination_of_another_in_its_message(tmp_path, monkeypatch):
    may_examine = threading.Event()
    examine = UnexaminedBatch.examine

    def examine_later(unexamined, pause=None):
        assert may_examine.wait(60)
        return examine(unexamined, pause)

    monkeypatch.setattr(UnexaminedBatch, "examine", examine_later)
    # Its header has no timestamp, so its many records must be examined.
    long = record_batch([Record(b"v")] * 2000, base_timestamp_ms=5)
    long = with_times(long, 5, -1)

    async def scenario():
        async with asyncio.timeout(60), running_core(tmp_path) as core:
            requests = Requests()
            stream = AppendStream(core, bytes_in_flight_max=1 << 20)
            responses = stream.responses(requests)
            other = append_message(2, batch())
            other.partition = 1
            requests.send(append_message(1, long), other, append_message(3, batch()))
            requests.end()
            assert [result.append_id for result in (await anext(responses)).results] == [2]
            may_examine.set()
            assert sorted(await read_ids(responses)) == [1, 3]

    try:
        asyncio.run(scenario())
    finally:
        may_examine.set()


def test_stream_stores_and_returns_the_same_as_a_plain_append(tmp_path):
    """Compares the stream, which all Produce requests take, with calls of the port."""
    batches = [
        batch(producer=(7, 0, 0)),
        batch(3, producer=(7, 0, 1)),
        batch(producer=(7, 0, 0)),
        batch(producer=(7, 0, 9)),
        batch()[:-1],
        record_batch([Record(b"v")] * 2000),
        batch(2),
    ]

    async def scenario():
        async with asyncio.timeout(60), running_core(tmp_path) as core:
            requests = Requests()
            stream = AppendStream(core, bytes_in_flight_max=1 << 20)
            requests.send(
                *(append_message(number, sent) for number, sent in enumerate(batches[:4]))
            )
            for number, sent in enumerate(batches[4:], 4):
                requests.send(append_message(number, sent))
            requests.end()
            streamed = {
                result.append_id: append_result_from_message(result)
                async for response in stream.responses(requests)
                for result in response.results
            }
            other = LogId(TOPIC_ID, 1)
            plain = await core.append([Append(other, sent) for sent in batches], acks=ACKS_ALL)
            assert [streamed[number] for number in range(len(batches))] == plain
            refusals = {result.refusal for result in plain}
            assert refusals > {None, Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER}
            assert await read_everything(core) == await read_everything(core, other)

    asyncio.run(scenario())

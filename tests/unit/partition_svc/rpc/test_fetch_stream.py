import asyncio

import pytest
from google.protobuf.message import DecodeError

from common.ports.partitions import FetchResult
from common.ports.unavailable import BackendUnavailable
from common.rpc.status import MalformedRequest
from partition_svc.rpc import fetch_stream
from partition_svc.rpc.fetch_stream import FetchStream
from protos.partition.v1 import partition_pb2 as pb
from tests.support.stores.partition_core import TOPIC_ID, append, batch, running_core, until

_MIB = 1 << 20


class Partitions:
    """Answers fetches when the test says so, by their offset."""

    def __init__(self):
        self.asked = {}

    async def fetch(self, query):
        offset = query.partitions[0].fetch_offset
        future = self.asked[offset] = asyncio.get_running_loop().create_future()
        return await future

    async def answer(self, offset, result=None, error=None):
        await until(lambda: offset in self.asked)
        if error is not None:
            self.asked[offset].set_exception(error)
        else:
            self.asked[offset].set_result([result or FetchResult([b"x"], offset)])


class Requests:
    """What a caller sends, as it comes."""

    def __init__(self):
        self._queue = asyncio.Queue()
        self.taken = 0

    def fetch(self, *fetch_ids, topic_id=TOPIC_ID, **more):
        """Each asks for the offset that is its id."""
        calls = [
            pb.FetchCall(
                fetch_id=one,
                fetch=pb.FetchRequest(
                    partitions=[pb.FetchPartition(topic_id=topic_id, fetch_offset=one)], **more
                ),
            )
            for one in fetch_ids
        ]
        self._queue.put_nowait(pb.FetchStreamRequest(calls=calls))

    def send(self, request):
        self._queue.put_nowait(request)

    def drop(self, fetch_id):
        self._queue.put_nowait(pb.FetchStreamRequest(calls=[pb.FetchCall(fetch_id=fetch_id)]))

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


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            partitions, requests = Partitions(), Requests()
            await test(partitions, requests, FetchStream(partitions, bytes_max=10 * _MIB))

    asyncio.run(within_limits())


def pieces_in(message):
    return pb.FetchStreamResponse.FromString(message).pieces


async def ids_of(responses):
    return [piece.fetch_id async for one in responses for piece in pieces_in(one)]


def test_responses_are_sent_as_they_are_known_and_the_stream_ends_after_all():
    async def test(partitions, requests, stream):
        requests.fetch(1, 2)
        requests.fetch(3)
        requests.end()
        reading = asyncio.ensure_future(ids_of(stream.responses(requests)))
        for fetch_id in (2, 3):
            await partitions.answer(fetch_id)
        await asyncio.sleep(0)
        assert not reading.done()
        await partitions.answer(1)
        assert sorted(await reading) == [1, 2, 3]
        assert stream.failure is None

    run(test)


def test_small_response_does_not_wait_behind_a_large_one():
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        requests.fetch(1, 2)
        requests.end()
        first = asyncio.ensure_future(anext(responses))
        await partitions.answer(1, FetchResult([bytes(_MIB)] * 8))
        (piece,) = pieces_in(await first)
        assert (piece.fetch_id, piece.is_last) == (1, False)
        await partitions.answer(2)
        await until(lambda: 2 in stream._ready)
        ids = await ids_of(responses)
        assert ids.index(2) <= 1
        assert ids.count(1) == 7

    run(test)


def test_ready_responses_leave_in_one_message():
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        first = asyncio.ensure_future(anext(responses))
        requests.fetch(*range(300))
        requests.end()
        await until(lambda: len(partitions.asked) == 300)
        for fetch_id in range(300):
            await partitions.answer(fetch_id)
        sizes = [len(pieces_in(await first))]
        sizes += [len(pieces_in(one)) async for one in responses]
        assert sum(sizes) == 300
        assert len(sizes) <= 3

    run(test)


@pytest.mark.parametrize("is_answered", [False, True], ids=["waiting", "leaving"])
def test_dropped_fetch_gets_no_response(is_answered):
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        requests.fetch(1)
        first = asyncio.ensure_future(anext(responses, None))
        await until(lambda: 1 in partitions.asked)
        if is_answered:
            await partitions.answer(1, FetchResult([bytes(_MIB)] * 3))
            await first
        requests.drop(1)
        requests.drop(99)
        requests.end()
        if not is_answered:
            assert await first is None
            assert partitions.asked[1].cancelled()
        await until(lambda: requests.taken == 3)
        assert await ids_of(responses) == []

    run(test)


def test_stream_of_a_caller_that_does_not_read_is_not_read(monkeypatch):
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        first = asyncio.ensure_future(anext(responses))
        requests.fetch(0, 1, 2, 3)
        await partitions.answer(0)
        await first
        for fetch_id in (1, 2, 3):
            await partitions.answer(fetch_id)
        await until(lambda: len(stream._ready) > 2)
        requests.fetch(4)
        requests.fetch(5)
        requests.end()
        await until(lambda: 4 in partitions.asked)
        for _ in range(100):
            await asyncio.sleep(0)
        assert 5 not in partitions.asked
        reading = asyncio.ensure_future(ids_of(responses))
        for fetch_id in (4, 5):
            await partitions.answer(fetch_id)
        assert sorted(await reading) == [1, 2, 3, 4, 5]

    monkeypatch.setattr(fetch_stream, "_READY_MAX", 2)
    run(test)


@pytest.mark.parametrize(
    "send",
    [
        lambda requests: requests.fetch(2, topic_id=b"short"),
        lambda requests: requests.fetch(1),
        lambda requests: requests.fetch(2, decode_records=True),
        lambda requests: requests.end(DecodeError("no message")),
    ],
    ids=["topic id", "id in use", "records", "bytes"],
)
def test_malformed_message_ends_the_stream_after_earlier_calls(send):
    async def test(partitions, requests, stream):
        requests.fetch(1)
        send(requests)
        requests.fetch(4)
        reading = asyncio.ensure_future(ids_of(stream.responses(requests)))
        await until(lambda: stream.failure is not None)
        assert isinstance(stream.failure, MalformedRequest)
        await partitions.answer(1)
        assert await reading == [1]
        assert 4 not in partitions.asked

    run(test)


def test_stopping_service_answers_fetches_in_flight():
    async def test(partitions, requests, stream):
        requests.fetch(1)
        reading = asyncio.ensure_future(ids_of(stream.responses(requests)))
        await until(lambda: 1 in partitions.asked)
        stream.end(BackendUnavailable("stopping"))
        stream.end(BackendUnavailable("a later reason"))
        await partitions.answer(1)
        assert await reading == [1]
        assert str(stream.failure) == "stopping"

    run(test)


def test_unavailable_partitions_end_the_stream():
    async def test(partitions, requests, stream):
        requests.fetch(1)
        reading = asyncio.ensure_future(ids_of(stream.responses(requests)))
        await partitions.answer(1, error=BackendUnavailable("gone"))
        assert await reading == []
        assert isinstance(stream.failure, BackendUnavailable)

    run(test)


@pytest.mark.parametrize("where", ["reading", "fetching"])
def test_bug_ends_the_stream_and_cancels_the_other_fetches(where):
    async def test(partitions, requests, stream):
        requests.fetch(1, 2)
        reading = asyncio.ensure_future(ids_of(stream.responses(requests)))
        await until(lambda: len(partitions.asked) == 2)
        bug = ZeroDivisionError("a bug")
        if where == "reading":
            requests.end(bug)
        else:
            await partitions.answer(1, error=bug)
        with pytest.raises(ZeroDivisionError):
            await reading
        assert partitions.asked[2].cancelled()

    run(test)


def test_closed_stream_cancels_its_fetches():
    async def test(partitions, requests, stream):
        reading = asyncio.ensure_future(ids_of(stream.responses(requests)))
        requests.fetch(1)
        await until(lambda: 1 in partitions.asked)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert partitions.asked[1].cancelled()

    run(test)


def test_unread_responses_are_bounded_in_bytes_and_all_arrive_once_they_are_read(tmp_path):
    async def test():
        async with asyncio.timeout(60), running_core(tmp_path, tail_cache_bytes=0) as core:
            sent = [batch(size=500_000) for _ in range(8)]
            for one in sent:
                await append(core, one, acks=1)
            requests, stream = Requests(), FetchStream(core, bytes_max=3 * _MIB)
            limits = {"max_bytes": 50 * _MIB}
            asked = pb.FetchPartition(topic_id=TOPIC_ID, fetch_offset=0, max_bytes=50 * _MIB)
            calls = [
                pb.FetchCall(fetch_id=n, fetch=pb.FetchRequest(partitions=[asked], **limits))
                for n in range(30)
            ]
            requests.send(pb.FetchStreamRequest(calls=calls))
            requests.end()
            responses = stream.responses(requests)
            pieces = list(pieces_in(await anext(responses)))
            for _ in range(500):
                await asyncio.sleep(0)
            # One batch each may exceed it, of those that found room at all.
            assert stream._budget.used <= 4 * _MIB
            assert stream._fetching
            async for one in responses:
                assert stream._budget.used <= 4 * _MIB
                pieces += pieces_in(one)
            assert {piece.fetch_id for piece in pieces if piece.is_last} == set(range(30))
            whole = {
                piece.fetch_id for piece in pieces if piece.results and piece.results[0].batches
            }
            assert whole == set(range(30))
            assert stream._budget.used == 0

    asyncio.run(test())


def test_dropped_responses_release_their_bytes():
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        requests.fetch(1, 2)
        first = asyncio.ensure_future(anext(responses, None))
        await until(lambda: len(partitions.asked) == 2)
        stream._budget.open().acquire(5)
        requests.drop(1)
        requests.drop(2)
        requests.end()
        await first
        assert stream._budget.used == 5

    run(test)


def test_stream_is_not_read_while_too_many_fetches_are_in_flight(monkeypatch):
    async def test(partitions, requests, stream):
        requests.fetch(*range(10))
        requests.end()
        reading = asyncio.ensure_future(ids_of(stream.responses(requests)))
        await until(lambda: len(partitions.asked) == 4)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(partitions.asked) == 4
        for fetch_id in range(10):
            await partitions.answer(fetch_id)
        assert sorted(await reading) == list(range(10))

    monkeypatch.setattr(fetch_stream, "_FETCHING_MAX", 3)
    run(test)


def test_wait_is_ended_by_the_id_of_its_fetch():
    async def test(partitions, requests, stream):
        queries = []

        async def fetch(query):
            queries.append(query)
            await query.end_of_wait
            return [FetchResult([b"x"], query.partitions[0].fetch_offset)]

        partitions.fetch = fetch
        responses = stream.responses(requests)
        requests.fetch(1, 2)
        # Unknown ids, and those that were answered before, are ignored.
        requests.send(pb.FetchStreamRequest(ended_waits=[7, 2, 2]))
        (piece,) = pieces_in(await anext(responses))
        assert (piece.fetch_id, piece.is_last, piece.ends_waits) == (2, True, True)
        assert not queries[0].end_of_wait.done()
        requests.send(pb.FetchStreamRequest(ended_waits=[2, 1]))
        requests.end()
        assert await ids_of(responses) == [1]
        assert stream.failure is None

    run(test)

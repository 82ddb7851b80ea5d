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
    """Records fetches by their offset; `reply` completes one of them."""

    def __init__(self):
        self.fetches = {}

    async def fetch(self, query):
        offset = query.partitions[0].fetch_offset
        future = self.fetches[offset] = asyncio.get_running_loop().create_future()
        return await future

    async def reply(self, offset, result=None, error=None):
        await until(lambda: offset in self.fetches)
        if error is not None:
            self.fetches[offset].set_exception(error)
        else:
            self.fetches[offset].set_result([result or FetchResult([b"x"], offset)])


class Requests:
    """Requests of a caller, which the test sends; counts those read."""

    def __init__(self):
        self._queue = asyncio.Queue()
        self.read_count = 0

    def fetch(self, *fetch_ids, topic_id=TOPIC_ID, **fields):
        """Sends fetches, each from the offset that equals its id."""
        calls = [
            pb.FetchCall(
                fetch_id=fetch_id,
                fetch=pb.FetchRequest(
                    partitions=[pb.FetchPartition(topic_id=topic_id, fetch_offset=fetch_id)],
                    **fields,
                ),
            )
            for fetch_id in fetch_ids
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
        self.read_count += 1
        return request


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            partitions, requests = Partitions(), Requests()
            await test(partitions, requests, FetchStream(partitions, bytes_max=10 * _MIB))

    asyncio.run(within_limits())


def parse_pieces(message):
    return pb.FetchStreamResponse.FromString(message).pieces


async def read_ids(responses):
    return [piece.fetch_id async for response in responses for piece in parse_pieces(response)]


def test_responses_are_sent_as_they_complete_and_the_stream_ends_after_all():
    async def test(partitions, requests, stream):
        requests.fetch(1, 2)
        requests.fetch(3)
        requests.end()
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        for fetch_id in (2, 3):
            await partitions.reply(fetch_id)
        await asyncio.sleep(0)
        assert not reading.done()
        await partitions.reply(1)
        assert sorted(await reading) == [1, 2, 3]
        assert stream.failure is None

    run(test)


def test_small_response_does_not_wait_behind_a_large_one():
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        requests.fetch(1, 2)
        requests.end()
        first = asyncio.ensure_future(anext(responses))
        await partitions.reply(1, FetchResult([bytes(_MIB)] * 8))
        (piece,) = parse_pieces(await first)
        assert (piece.fetch_id, piece.is_last) == (1, False)
        await partitions.reply(2)
        await until(lambda: 2 in stream._ready)
        ids = await read_ids(responses)
        assert ids.index(2) <= 1
        assert ids.count(1) == 7

    run(test)


def test_ready_responses_are_sent_in_one_message():
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        first = asyncio.ensure_future(anext(responses))
        requests.fetch(*range(300))
        requests.end()
        await until(lambda: len(partitions.fetches) == 300)
        for fetch_id in range(300):
            await partitions.reply(fetch_id)
        sizes = [len(parse_pieces(await first))]
        sizes += [len(parse_pieces(response)) async for response in responses]
        assert sum(sizes) == 300
        assert len(sizes) <= 3

    run(test)


@pytest.mark.parametrize("is_ready", [False, True], ids=["waiting", "being sent"])
def test_dropped_fetch_gets_no_response(is_ready):
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        requests.fetch(1)
        first = asyncio.ensure_future(anext(responses, None))
        await until(lambda: 1 in partitions.fetches)
        if is_ready:
            await partitions.reply(1, FetchResult([bytes(_MIB)] * 3))
            await first
        requests.drop(1)
        requests.drop(99)
        requests.end()
        if not is_ready:
            assert await first is None
            assert partitions.fetches[1].cancelled()
        await until(lambda: requests.read_count == 3)
        assert await read_ids(responses) == []

    run(test)


def test_stream_of_a_caller_that_does_not_read_is_not_read(monkeypatch):
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        first = asyncio.ensure_future(anext(responses))
        requests.fetch(0, 1, 2, 3)
        await partitions.reply(0)
        await first
        for fetch_id in (1, 2, 3):
            await partitions.reply(fetch_id)
        await until(lambda: len(stream._ready) > 2)
        requests.fetch(4)
        requests.fetch(5)
        requests.end()
        await until(lambda: 4 in partitions.fetches)
        for _ in range(100):
            await asyncio.sleep(0)
        assert 5 not in partitions.fetches
        reading = asyncio.ensure_future(read_ids(responses))
        for fetch_id in (4, 5):
            await partitions.reply(fetch_id)
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
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: stream.failure is not None)
        assert isinstance(stream.failure, MalformedRequest)
        await partitions.reply(1)
        assert await reading == [1]
        assert 4 not in partitions.fetches

    run(test)


def test_stopping_service_sends_responses_to_fetches_in_flight():
    async def test(partitions, requests, stream):
        requests.fetch(1)
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: 1 in partitions.fetches)
        stream.end(BackendUnavailable("stopping"))
        stream.end(BackendUnavailable("a later reason"))
        await partitions.reply(1)
        assert await reading == [1]
        assert str(stream.failure) == "stopping"

    run(test)


def test_unavailable_partitions_end_the_stream():
    async def test(partitions, requests, stream):
        requests.fetch(1)
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await partitions.reply(1, error=BackendUnavailable("not the owner"))
        assert await reading == []
        assert isinstance(stream.failure, BackendUnavailable)

    run(test)


@pytest.mark.parametrize("where", ["reading", "fetching"])
def test_bug_ends_the_stream_and_cancels_the_other_fetches(where):
    async def test(partitions, requests, stream):
        requests.fetch(1, 2)
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: len(partitions.fetches) == 2)
        bug = ZeroDivisionError("a bug")
        if where == "reading":
            requests.end(bug)
        else:
            await partitions.reply(1, error=bug)
        with pytest.raises(ZeroDivisionError):
            await reading
        assert partitions.fetches[2].cancelled()

    run(test)


def test_closed_stream_cancels_its_fetches():
    async def test(partitions, requests, stream):
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        requests.fetch(1)
        await until(lambda: 1 in partitions.fetches)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert partitions.fetches[1].cancelled()

    run(test)


def test_unread_responses_are_limited_in_bytes_and_all_are_sent_once_read(tmp_path):
    async def test():
        async with asyncio.timeout(60), running_core(tmp_path, tail_cache_bytes=0) as core:
            sent = [batch(size=500_000) for _ in range(8)]
            for data in sent:
                await append(core, data, acks=1)
            requests, stream = Requests(), FetchStream(core, bytes_max=3 * _MIB)
            limits = {"max_bytes": 50 * _MIB}
            partition = pb.FetchPartition(topic_id=TOPIC_ID, fetch_offset=0, max_bytes=50 * _MIB)
            calls = [
                pb.FetchCall(fetch_id=n, fetch=pb.FetchRequest(partitions=[partition], **limits))
                for n in range(30)
            ]
            requests.send(pb.FetchStreamRequest(calls=calls))
            requests.end()
            responses = stream.responses(requests)
            pieces = list(parse_pieces(await anext(responses)))
            for _ in range(500):
                await asyncio.sleep(0)
            # Each fetch that got any bytes may exceed the limit by one batch.
            assert stream._budget.used <= 4 * _MIB
            assert stream._fetching
            async for response in responses:
                assert stream._budget.used <= 4 * _MIB
                pieces += parse_pieces(response)
            assert {piece.fetch_id for piece in pieces if piece.is_last} == set(range(30))
            with_batches = {
                piece.fetch_id for piece in pieces if piece.results and piece.results[0].batches
            }
            assert with_batches == set(range(30))
            assert stream._budget.used == 0

    asyncio.run(test())


def test_dropped_responses_release_their_bytes():
    async def test(partitions, requests, stream):
        responses = stream.responses(requests)
        requests.fetch(1, 2)
        first = asyncio.ensure_future(anext(responses, None))
        await until(lambda: len(partitions.fetches) == 2)
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
        reading = asyncio.ensure_future(read_ids(stream.responses(requests)))
        await until(lambda: len(partitions.fetches) == 4)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(partitions.fetches) == 4
        for fetch_id in range(10):
            await partitions.reply(fetch_id)
        assert sorted(await reading) == list(range(10))

    monkeypatch.setattr(fetch_stream, "_FETCHING_MAX", 3)
    run(test)


def test_ended_waits_end_the_wait_of_fetches_by_id():
    async def test(partitions, requests, stream):
        queries = []

        async def fetch(query):
            queries.append(query)
            await query.end_of_wait
            return [FetchResult([b"x"], query.partitions[0].fetch_offset)]

        partitions.fetch = fetch
        responses = stream.responses(requests)
        requests.fetch(1, 2)
        # Unknown ids, and those of fetches with a response, are ignored.
        requests.send(pb.FetchStreamRequest(ended_waits=[7, 2, 2]))
        (piece,) = parse_pieces(await anext(responses))
        assert (piece.fetch_id, piece.is_last, piece.ends_waits) == (2, True, True)
        assert not queries[0].end_of_wait.done()
        requests.send(pb.FetchStreamRequest(ended_waits=[2, 1]))
        requests.end()
        assert await read_ids(responses) == [1]
        assert stream.failure is None

    run(test)

import asyncio
import logging
from contextlib import asynccontextmanager

import grpc
import pytest

from common.client.fetch import fetch_stream
from common.client.fetch.fetch_stream import FetchStreamClient
from common.ports.partitions import FetchPartition, FetchQuery, FetchResult, LogId
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import MethodUnimplemented, open_channel
from common.rpc.server import RpcServer
from protos.partition.v1 import partition_pb2 as pb
from tests.support.processes.ports import ReservedPort
from tests.support.stores.partition_core import until
from tests.unit.common.client.owner import served

LOG = LogId(b"x" * 16, 3)
_METHOD = "/partition.v1.PartitionService/FetchStream"
_MIB = 1 << 20


class Owner:
    """Answers fetches when the test says so, by their offset."""

    def __init__(self) -> None:
        self.asked: dict[int, asyncio.Future[list[FetchResult]]] = {}

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        offset = query.partitions[0].fetch_offset
        future = asyncio.get_running_loop().create_future()
        self.asked[offset] = future
        return await future

    async def answer(self, offset: int, *results: FetchResult) -> None:
        await until(lambda: offset in self.asked)
        self.asked[offset].set_result([*results] or [FetchResult([b"x"], offset)])


def query(offset: int, max_wait_ms: int = 50_000) -> FetchQuery:
    return FetchQuery([FetchPartition(LOG, offset, 1000)], max_wait_ms, 1, 1000)


@asynccontextmanager
async def sending(address: str):
    async with open_channel(address) as channel:
        method = channel.stream_stream(
            _METHOD, request_serializer=pb.FetchStreamRequest.SerializeToString
        )
        sender = FetchStreamClient("p-0", method)
        try:
            yield sender
        finally:
            await sender.close()


def run(scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


def with_owner(scenario) -> None:
    async def whole() -> None:
        owner = Owner()
        async with served(owner) as address, sending(address) as sender:
            await scenario(owner, sender)

    run(whole)


def test_responses_are_matched_to_their_fetches():
    async def scenario(owner, sender) -> None:
        fetches = [asyncio.ensure_future(sender.fetch(query(offset))) for offset in range(50)]
        for offset in reversed(range(50)):
            await owner.answer(offset)
        answers = await asyncio.gather(*fetches)
        assert [one.high_watermark for (one,) in answers] == list(range(50))

    with_owner(scenario)


def test_large_response_is_joined_from_its_pieces():
    async def scenario(owner, sender) -> None:
        batches = [bytes([number]) * (300 << 10) for number in range(10)]
        results = [FetchResult([*batches], 5), FetchResult([], 6), FetchResult([b"end"], 7)]
        fetch = asyncio.ensure_future(sender.fetch(query(0)))
        await owner.answer(0, *results)
        answer = await fetch
        assert [b"".join(one.records) for one in answer] == [b"".join(batches), b"", b"end"]
        assert [one.high_watermark for one in answer] == [5, 6, 7]

    with_owner(scenario)


def test_cancelled_fetch_is_cancelled_at_the_owner():
    async def scenario(owner, sender) -> None:
        fetch = asyncio.ensure_future(sender.fetch(query(0)))
        await until(lambda: 0 in owner.asked)
        fetch.cancel()
        await until(owner.asked[0].cancelled)
        # The stream goes on.
        fetch = asyncio.ensure_future(sender.fetch(query(1)))
        await owner.answer(1)
        assert await fetch

    with_owner(scenario)


def test_fetch_from_a_hanging_owner_times_out(monkeypatch):
    async def scenario(owner, sender) -> None:
        with pytest.raises(BackendUnavailable, match="p-0"):
            await sender.fetch(query(0, max_wait_ms=1))
        await until(lambda: owner.asked[0].cancelled())

    monkeypatch.setattr(fetch_stream, "FETCH_MARGIN_S", 0.3)
    with_owner(scenario)


def test_lost_stream_fails_its_fetches_and_the_next_fetch_opens_another():
    async def scenario() -> None:
        port = ReservedPort()
        first, second = Owner(), Owner()
        async with sending(port.address) as sender:
            async with served(first, address=port.address):
                fetches = [asyncio.ensure_future(sender.fetch(query(n))) for n in range(3)]
                await until(lambda: len(first.asked) == 3)
            for fetch in fetches:
                with pytest.raises(BackendUnavailable, match="p-0"):
                    await fetch
            with pytest.raises(BackendUnavailable, match="p-0"):
                await sender.fetch(query(3))
            async with served(second, address=port.address):
                while True:
                    fetch = asyncio.ensure_future(sender.fetch(query(4)))
                    await until(lambda fetch=fetch: 4 in second.asked or fetch.done())
                    if 4 in second.asked:
                        break
                    with pytest.raises(BackendUnavailable):
                        await fetch
                await second.answer(4)
                assert await fetch
        port.release()

    run(scenario)


def test_close_fails_unanswered_fetches():
    async def scenario(owner, sender) -> None:
        fetch = asyncio.ensure_future(sender.fetch(query(0)))
        await until(lambda: 0 in owner.asked)
        await sender.close()
        with pytest.raises(BackendUnavailable, match="stopping"):
            await fetch

    with_owner(scenario)


async def _garbage(requests, _):
    async for _request in requests:
        yield b"\xff" * 30


async def _nothing(requests, _):
    async for _request in requests:
        return
        yield b""


@pytest.mark.parametrize("answers", [_garbage, _nothing])
def test_owner_that_sends_malformed_messages_is_unavailable(answers, caplog):
    async def scenario() -> None:
        server = grpc.aio.server()
        methods = {"FetchStream": grpc.stream_stream_rpc_method_handler(answers)}
        name = "partition.v1.PartitionService"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with sending(f"127.0.0.1:{port}") as sender:
            with pytest.raises(BackendUnavailable, match="p-0"):
                await sender.fetch(query(0))
        await server.stop(grace=0)

    with caplog.at_level(logging.ERROR):
        run(scenario)
    # gRPC may tell of a loop that another test has closed, and its server of a caller that left.
    assert not [one for one in caplog.records if one.name.startswith("gateway_svc")]


def test_owner_without_the_method_raises_method_unimplemented():
    async def scenario() -> None:
        server = RpcServer([], address="127.0.0.1:0")
        await server.start()
        async with sending(f"127.0.0.1:{server.port}") as sender:
            with pytest.raises(MethodUnimplemented):
                await sender.fetch(query(0))
        await server.stop(grace_s=0)

    run(scenario)


def test_end_of_wait_reaches_an_owner_that_supports_it():
    async def scenario() -> None:
        class Waiting:
            async def fetch(self, query: FetchQuery) -> list[FetchResult]:
                if query.max_wait_ms:
                    await query.end_of_wait
                return [FetchResult([b"x"], query.max_wait_ms)]

        async with served(Waiting()) as address, sending(address) as sender:
            assert not sender.ends_waits
            await sender.fetch(query(1, max_wait_ms=0))
            assert sender.ends_waits
            asked = query(2)
            asked.end_of_wait = asyncio.get_running_loop().create_future()
            fetching = asyncio.ensure_future(sender.fetch(asked))
            await sender.fetch(query(3, max_wait_ms=0))
            assert not fetching.done()
            asked.end_of_wait.set_result(None)
            assert (await fetching)[0].high_watermark == 50_000
            # In one message with the fetch itself.
            fetching = asyncio.ensure_future(sender.fetch(asked))
            assert (await fetching)[0].high_watermark == 50_000

    run(scenario)


def test_fetch_times_out_if_the_owner_ignores_the_end_of_its_wait(monkeypatch):
    monkeypatch.setattr(fetch_stream, "FETCH_MARGIN_S", 0.05)

    async def scenario(owner, sender) -> None:
        asked = query(1)
        asked.end_of_wait = asyncio.get_running_loop().create_future()
        fetching = asyncio.ensure_future(sender.fetch(asked))
        await until(lambda: 1 in owner.asked)
        asked.end_of_wait.set_result(None)
        with pytest.raises(BackendUnavailable, match="no response in time"):
            await fetching

    with_owner(scenario)

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
from tests.unit.common.client.owner import serve_partitions

LOG = LogId(b"x" * 16, 3)
_METHOD = "/partition.v1.PartitionService/FetchStream"
_MIB = 1 << 20


class FakeOwner:
    """Holds fetches by their offset until `respond`."""

    def __init__(self) -> None:
        self.fetches: dict[int, asyncio.Future[list[FetchResult]]] = {}

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        offset = query.partitions[0].fetch_offset
        future = asyncio.get_running_loop().create_future()
        self.fetches[offset] = future
        return await future

    async def respond(self, offset: int, *results: FetchResult) -> None:
        await until(lambda: offset in self.fetches)
        self.fetches[offset].set_result([*results] or [FetchResult([b"x"], offset)])


def query(offset: int, max_wait_ms: int = 50_000) -> FetchQuery:
    return FetchQuery([FetchPartition(LOG, offset, 1000)], max_wait_ms, 1, 1000)


@asynccontextmanager
async def run_client(address: str):
    async with open_channel(address) as channel:
        method = channel.stream_stream(
            _METHOD, request_serializer=pb.FetchStreamRequest.SerializeToString
        )
        client = FetchStreamClient("p-0", method)
        try:
            yield client
        finally:
            await client.close()


def run(scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


def run_with_owner(scenario) -> None:
    async def with_owner() -> None:
        owner = FakeOwner()
        async with serve_partitions(owner) as address, run_client(address) as client:
            await scenario(owner, client)

    run(with_owner)


def test_responses_are_matched_to_their_fetches():
    async def scenario(owner, client) -> None:
        fetches = [asyncio.ensure_future(client.fetch(query(offset))) for offset in range(50)]
        for offset in reversed(range(50)):
            await owner.respond(offset)
        responses = await asyncio.gather(*fetches)
        assert [result.high_watermark for (result,) in responses] == list(range(50))

    run_with_owner(scenario)


def test_large_response_is_joined_from_its_pieces():
    async def scenario(owner, client) -> None:
        batches = [bytes([number]) * (300 << 10) for number in range(10)]
        results = [FetchResult([*batches], 5), FetchResult([], 6), FetchResult([b"end"], 7)]
        fetch = asyncio.ensure_future(client.fetch(query(0)))
        await owner.respond(0, *results)
        response = await fetch
        assert [b"".join(result.records) for result in response] == [b"".join(batches), b"", b"end"]
        assert [result.high_watermark for result in response] == [5, 6, 7]

    run_with_owner(scenario)


def test_cancelled_fetch_is_cancelled_at_the_owner():
    async def scenario(owner, client) -> None:
        fetch = asyncio.ensure_future(client.fetch(query(0)))
        await until(lambda: 0 in owner.fetches)
        fetch.cancel()
        await until(owner.fetches[0].cancelled)
        # The stream continues.
        fetch = asyncio.ensure_future(client.fetch(query(1)))
        await owner.respond(1)
        assert await fetch

    run_with_owner(scenario)


def test_fetch_from_a_hanging_owner_times_out(monkeypatch):
    async def scenario(owner, client) -> None:
        with pytest.raises(BackendUnavailable, match="p-0"):
            await client.fetch(query(0, max_wait_ms=1))
        await until(lambda: owner.fetches[0].cancelled())

    monkeypatch.setattr(fetch_stream, "FETCH_MARGIN_S", 0.3)
    run_with_owner(scenario)


def test_lost_stream_fails_its_fetches_and_the_next_fetch_opens_another():
    async def scenario() -> None:
        port = ReservedPort()
        first, second = FakeOwner(), FakeOwner()
        async with run_client(port.address) as client:
            async with serve_partitions(first, address=port.address):
                fetches = [asyncio.ensure_future(client.fetch(query(n))) for n in range(3)]
                await until(lambda: len(first.fetches) == 3)
            for fetch in fetches:
                with pytest.raises(BackendUnavailable, match="p-0"):
                    await fetch
            with pytest.raises(BackendUnavailable, match="p-0"):
                await client.fetch(query(3))
            async with serve_partitions(second, address=port.address):
                while True:
                    fetch = asyncio.ensure_future(client.fetch(query(4)))
                    await until(lambda fetch=fetch: 4 in second.fetches or fetch.done())
                    if 4 in second.fetches:
                        break
                    with pytest.raises(BackendUnavailable):
                        await fetch
                await second.respond(4)
                assert await fetch
        port.release()

    run(scenario)


def test_close_fails_fetches_in_flight():
    async def scenario(owner, client) -> None:
        fetch = asyncio.ensure_future(client.fetch(query(0)))
        await until(lambda: 0 in owner.fetches)
        await client.close()
        with pytest.raises(BackendUnavailable, match="stopping"):
            await fetch

    run_with_owner(scenario)


async def _respond_malformed(requests, _):
    async for _request in requests:
        yield b"\xff" * 30


async def _end_stream(requests, _):
    async for _request in requests:
        return
        yield b""


@pytest.mark.parametrize("stream", [_respond_malformed, _end_stream])
def test_owner_that_sends_malformed_messages_is_unavailable(stream, caplog):
    async def scenario() -> None:
        server = grpc.aio.server()
        methods = {"FetchStream": grpc.stream_stream_rpc_method_handler(stream)}
        name = "partition.v1.PartitionService"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with run_client(f"127.0.0.1:{port}") as client:
            with pytest.raises(BackendUnavailable, match="p-0"):
                await client.fetch(query(0))
        await server.stop(grace=0)

    with caplog.at_level(logging.ERROR):
        run(scenario)
    # gRPC may log a loop that another test has closed, and its server a client that disconnected.
    assert not [record for record in caplog.records if record.name.startswith("gateway_svc")]


def test_owner_without_the_method_raises_method_unimplemented():
    async def scenario() -> None:
        server = RpcServer([], address="127.0.0.1:0")
        await server.start()
        async with run_client(f"127.0.0.1:{server.port}") as client:
            with pytest.raises(MethodUnimplemented):
                await client.fetch(query(0))
        await server.stop(grace_s=0)

    run(scenario)


def test_end_of_wait_reaches_an_owner_that_supports_it():
    async def scenario() -> None:
        class WaitingOwner:
            async def fetch(self, query: FetchQuery) -> list[FetchResult]:
                if query.max_wait_ms:
                    await query.end_of_wait
                return [FetchResult([b"x"], query.max_wait_ms)]

        async with serve_partitions(WaitingOwner()) as address, run_client(address) as client:
            assert not client.ends_waits
            await client.fetch(query(1, max_wait_ms=0))
            assert client.ends_waits
            fetch_query = query(2)
            fetch_query.end_of_wait = asyncio.get_running_loop().create_future()
            fetching = asyncio.ensure_future(client.fetch(fetch_query))
            await client.fetch(query(3, max_wait_ms=0))
            assert not fetching.done()
            fetch_query.end_of_wait.set_result(None)
            assert (await fetching)[0].high_watermark == 50_000
            # The end of the wait leaves in one message with the fetch itself.
            fetching = asyncio.ensure_future(client.fetch(fetch_query))
            assert (await fetching)[0].high_watermark == 50_000

    run(scenario)


def test_fetch_times_out_if_the_owner_ignores_the_end_of_its_wait(monkeypatch):
    monkeypatch.setattr(fetch_stream, "FETCH_MARGIN_S", 0.05)

    async def scenario(owner, client) -> None:
        fetch_query = query(1)
        fetch_query.end_of_wait = asyncio.get_running_loop().create_future()
        fetching = asyncio.ensure_future(client.fetch(fetch_query))
        await until(lambda: 1 in owner.fetches)
        fetch_query.end_of_wait.set_result(None)
        with pytest.raises(BackendUnavailable, match="no response in time"):
            await fetching

    run_with_owner(scenario)

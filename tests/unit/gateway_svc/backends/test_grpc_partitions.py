import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest

from common.ports.partitions import ACKS_ALL, Append, FetchQuery, OffsetQuery
from common.ports.unavailable import BackendUnavailable
from gateway_svc.backends.grpc_partitions import GrpcPartitions
from partition_svc.servicer import PartitionServicer
from tests.contracts.partitions_contract import PartitionsContract
from tests.support.partition_core import LOG, batch, query
from tests.support.ports import ReservedPort
from tests.unit.gateway_svc.backends.owner import owner


class TestGrpcPartitions(PartitionsContract):
    @asynccontextmanager
    async def opened(self, folder, *topics):
        async with owner(folder, *topics) as address:
            partitions = GrpcPartitions("partition-0", address)
            try:
                yield partitions
            finally:
                await partitions.close()


CALLS = [
    pytest.param(lambda p: p.append([Append(LOG, batch())], acks=ACKS_ALL), id="append"),
    pytest.param(lambda p: p.fetch(query((LOG, 0))), id="fetch"),
    pytest.param(lambda p: p.list_offsets([OffsetQuery(LOG, -1)]), id="list offsets"),
    pytest.param(lambda p: p.describe_logs([LOG]), id="describe"),
]


@pytest.mark.parametrize("call", CALLS)
def test_nobody_there_is_unavailable(call):
    async def story() -> None:
        port = ReservedPort()
        partitions = GrpcPartitions("partition-0", port.address)
        try:
            async with asyncio.timeout(60):
                with pytest.raises(BackendUnavailable, match="partition-0"):
                    await call(partitions)
        finally:
            await partitions.close()
            port.release()

    asyncio.run(story())


def test_closing_fails_what_has_no_answer_yet(tmp_path):
    async def story() -> None:
        async with owner(tmp_path) as address:
            partitions = GrpcPartitions("partition-0", address)
            waiting = asyncio.create_task(
                partitions.fetch(FetchQuery(query((LOG, 0)).partitions, 50_000, 1, 1000))
            )
            await partitions.list_offsets([OffsetQuery(LOG, -1)])
            await partitions.close()
            with pytest.raises(BackendUnavailable):
                await waiting

    asyncio.run(story())


def test_an_owner_that_is_older_than_the_stream_is_asked_by_calls(tmp_path, monkeypatch):
    async def unimplemented(_self, _requests, context):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "what is that?")
        yield b""

    monkeypatch.setattr(PartitionServicer, "FetchStream", unimplemented)

    async def story() -> None:
        async with asyncio.timeout(60), owner(tmp_path) as address:
            partitions = GrpcPartitions("partition-0", address)
            for _ in range(2):
                (result,) = await partitions.fetch(query((LOG, 0)))
                assert result.high_watermark == 0
            await partitions.close()

    asyncio.run(story())

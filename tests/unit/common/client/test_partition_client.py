import asyncio
import socket
from contextlib import asynccontextmanager

import grpc
import pytest

from common.client import reachability
from common.client.partition_client import GrpcPartitions
from common.ports.classic_groups import DescribeGroup, GroupHeartbeat, ListGroups
from common.ports.partitions import ACKS_ALL, Append, EpochQuery, FetchQuery, OffsetQuery
from common.ports.unavailable import BackendUnavailable, OwnerLost
from partition_svc.rpc.partition_servicer import PartitionServicer
from tests.contracts.partitions_contract import PartitionsContract
from tests.support.processes.ports import ReservedPort
from tests.support.stores.partition_core import LOG, batch, query
from tests.unit.common.client.owner import run_owner


class TestGrpcPartitions(PartitionsContract):
    @asynccontextmanager
    async def opened(self, folder, *topics):
        async with run_owner(folder, *topics) as address:
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
def test_closed_port_is_unavailable(call):
    async def scenario() -> None:
        port = ReservedPort()
        partitions = GrpcPartitions("partition-0", port.address)
        try:
            async with asyncio.timeout(60):
                with pytest.raises(BackendUnavailable, match="partition-0"):
                    await call(partitions)
        finally:
            await partitions.close()
            port.release()

    asyncio.run(scenario())


def test_lost_owner_gets_no_requests(monkeypatch):
    """Requests that wait for a connection would delay all later ones of their client."""
    lost = asyncio.Event()

    async def scenario() -> None:
        # The port accepts connections and sends nothing: each attempt to connect takes a second.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            partitions = GrpcPartitions("partition-0", f"127.0.0.1:{listener.getsockname()[1]}")
            partitions._reachability.on_lost(lambda _: lost.set())
            append = partitions.append([Append(LOG, batch())], acks=ACKS_ALL)
            heartbeat = partitions.coordinators.call(GroupHeartbeat("g", "m", 1, None))
            await lost.wait()
            assert partitions.is_lost
            # Pending requests fail at that moment.
            for reply in (append, heartbeat):
                assert isinstance(reply.exception(), BackendUnavailable)
            for call in (
                partitions.fetch(query((LOG, 0))),
                partitions.list_offsets([OffsetQuery(LOG, -1)]),
                partitions.epoch_end_offsets([EpochQuery(LOG, 0)]),
                partitions.describe_logs([LOG]),
                partitions.coordinators.list_groups(ListGroups()),
            ):
                # It fails without a wait.
                with pytest.raises(OwnerLost):
                    call.send(None)
            for request in (GroupHeartbeat("g", "m", 1, None), DescribeGroup("g")):
                with pytest.raises(OwnerLost):
                    partitions.coordinators.call(request)
            await partitions.close()

    monkeypatch.setattr(reachability, "_FIRST_HOLD_S", 0.05)
    asyncio.run(scenario())


def test_close_fails_fetches_in_flight(tmp_path):
    async def scenario() -> None:
        async with run_owner(tmp_path) as address:
            partitions = GrpcPartitions("partition-0", address)
            fetch = asyncio.create_task(
                partitions.fetch(FetchQuery(query((LOG, 0)).partitions, 50_000, 1, 1000))
            )
            await partitions.list_offsets([OffsetQuery(LOG, -1)])
            await partitions.close()
            with pytest.raises(BackendUnavailable):
                await fetch

    asyncio.run(scenario())


def test_owner_without_fetch_stream_gets_unary_calls(tmp_path, monkeypatch):
    async def unimplemented(_self, _requests, context):
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "an older release")
        yield b""

    monkeypatch.setattr(PartitionServicer, "FetchStream", unimplemented)

    async def scenario() -> None:
        async with asyncio.timeout(60), run_owner(tmp_path) as address:
            partitions = GrpcPartitions("partition-0", address)
            for _ in range(2):
                (result,) = await partitions.fetch(query((LOG, 0)))
                assert result.high_watermark == 0
            await partitions.close()

    asyncio.run(scenario())

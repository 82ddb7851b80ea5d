import asyncio
from types import SimpleNamespace

import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member
from common.ports.unavailable import BackendUnavailable
from common.rpc.server import RpcServer
from partition_svc.moves.source_connection import (
    SourceConnection,
    SourceConnections,
    source_stub,
)
from partition_svc.rpc.moving_servicer import MovingServicer, service
from partition_svc.store.keys import LogHead
from protos.partition.v1 import moving_pb2 as pb


class OutgoingLogs:
    """Logs of a source; each ends at the offset `number`."""

    def __init__(self, number):
        self._number = number

    async def find(self, *_):
        return SimpleNamespace()

    async def durable_head(self, _):
        return LogHead(self._number, self._number)

    async def batches(self, *_):
        return
        yield


async def copy_end_offsets(sources):
    call = source_stub(sources, "partition-0").CopyLog(pb.CopyLogRequest())
    return [part.head.end_offset async for part in call]


def test_a_member_is_called_at_its_newest_address():
    async def test():
        servers = []
        for number in (1, 2):
            server = RpcServer(
                [service(MovingServicer(OutgoingLogs(number)))], address="127.0.0.1:0"
            )
            await server.start()
            servers.append(server)
        view = ClusterView()
        sources = SourceConnections(view, SourceConnection)
        try:
            with pytest.raises(BackendUnavailable):
                source_stub(sources, "partition-0")
            for revision, server in enumerate(servers):
                member = Member("partition-0", f"127.0.0.1:{server.port}")
                view.apply(ClusterChange(revision, "c", members=[member]))
                sources.view_changed()
                assert await copy_end_offsets(sources) == [revision + 1]
                assert await copy_end_offsets(sources) == [revision + 1]
        finally:
            await sources.close()
            for server in servers:
                await server.stop(grace_s=0)

    asyncio.run(test())

"""The connection to a member from which logs move here."""

import grpc

from common.client.connections import MemberConnections
from common.ports.unavailable import BackendUnavailable
from common.rpc.member_channel import MemberChannel
from protos.partition.v1.moving_pb2_grpc import MovingServiceStub


class SourceConnection:
    """Implements `MemberConnection`."""

    def __init__(self, name: str, address: str) -> None:
        self._channel = MemberChannel(name, address)
        self.stub = MovingServiceStub(self._channel)

    @property
    def is_lost(self) -> bool:
        """True if the channel is not connected at this moment."""
        return self._channel.get_state() is not grpc.ChannelConnectivity.READY

    def abandon(self, error: BackendUnavailable) -> None:
        """Does nothing: `close` ends the calls, and their caller retries them."""

    async def close(self) -> None:
        await self._channel.close()


SourceConnections = MemberConnections[SourceConnection]


def source_stub(connections: SourceConnections, name: str) -> MovingServiceStub:
    """Returns the stub for a member. Raises `BackendUnavailable` if the view does not have it."""
    connection = connections.get(name)
    if connection is None:
        raise BackendUnavailable(f"no member {name} is known")
    return connection.stub

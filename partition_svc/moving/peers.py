"""Channels to other members, for the logs that they hand over."""

import asyncio

import grpc.aio

from common.cluster_view import ClusterView
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from protos.partition.v1.moving_pb2_grpc import MovingServiceStub


class Peers:
    """One channel for each member that is asked, at the address that it has now."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._channels: dict[str, tuple[str, grpc.aio.Channel]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def stub(self, member: str) -> MovingServiceStub:
        """Raises `BackendUnavailable` where nobody knows such a member."""
        known = self._view.member(member)
        if known is None:
            raise BackendUnavailable(f"no member {member} is known")
        address, channel = self._channels.get(member, ("", None))
        if channel is None or address != known.address:
            self._let_go(channel)
            channel = open_channel(known.address)
            self._channels[member] = (known.address, channel)
        return MovingServiceStub(channel)

    async def close(self) -> None:
        """After the last call."""
        for _, channel in self._channels.values():
            self._let_go(channel)
        self._channels.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    def _let_go(self, channel: grpc.aio.Channel | None) -> None:
        if channel is not None:
            task = asyncio.ensure_future(channel.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

"""Channels to other members, for the logs that they hand over."""

import asyncio

from common.cluster.view import ClusterView
from common.ports.metadata import Member
from common.ports.unavailable import BackendUnavailable
from common.rpc.member_channel import MemberChannel
from protos.partition.v1.moving_pb2_grpc import MovingServiceStub


class Peers:
    """One channel for each member that is asked, at the address that it has now.

    A member that was started again gets a new one at once: the old one may be in a pause between
    two attempts to connect.
    """

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._channels: dict[str, tuple[Member, MemberChannel]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def stub(self, name: str) -> MovingServiceStub:
        """Raises `BackendUnavailable` where nobody knows such a member."""
        member = self._view.member(name)
        if member is None:
            raise BackendUnavailable(f"no member {name} is known")
        known, channel = self._channels.get(name, (None, None))
        if channel is None or known != member:
            self._let_go(channel)
            channel = MemberChannel(name, member.address)
            self._channels[name] = (member, channel)
        return MovingServiceStub(channel)

    async def close(self) -> None:
        """After the last call."""
        for _, channel in self._channels.values():
            self._let_go(channel)
        self._channels.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    def _let_go(self, channel: MemberChannel | None) -> None:
        if channel is not None:
            task = asyncio.ensure_future(channel.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

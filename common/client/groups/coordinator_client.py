"""The port `Coordinators` over gRPC, for the groups of one partition service.

Frequent calls go over one stream (`call_stream.py`), all others over their RPCs.
"""

import asyncio
from asyncio import Future
from typing import Any

from google.protobuf.message import Message

from common.client.groups.call_stream import CallStreamClient, open_call_stream
from common.client.reachability import Reachability
from common.ports.classic_groups import ListedGroups, ListGroups
from common.ports.group_request import GroupRequest, ReplyT
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import CALL_TIMEOUT_S, unavailable_on_failure
from common.rpc.member_channel import Channel
from common.rpc.messages.group_calls import GroupCallFormat, call_format
from common.rpc.messages.plain import from_message, to_message
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1.coordinator_pb2_grpc import CoordinatorServiceStub


class GrpcCoordinators:
    """Implements `common.ports.coordinators.Coordinators`.

    Joins and syncs have no deadline: they wait for other members as long as the group lets them,
    and end when the connection breaks or the caller is cancelled.
    """

    def __init__(
        self, name: str, channel: Channel, reachability: Reachability | None = None
    ) -> None:
        """`name` is the owner's, for errors. The caller closes the channel.

        While the owner is lost every call raises `OwnerLost` at once.
        """
        self._name = name
        self._reachability = reachability
        self._stub = CoordinatorServiceStub(channel)
        self._calls = CallStreamClient(name, lambda: open_call_stream(channel))
        if reachability is not None:
            reachability.on_lost(self._calls.abandon)

    def abandon(self, error: BackendUnavailable) -> None:
        """Fails the calls in flight of the stream; RPCs end when the channel is closed."""
        self._calls.abandon(error)

    async def close(self) -> None:
        """Ends the stream and fails its calls in flight."""
        await self._calls.close()

    def call(self, request: GroupRequest[ReplyT]) -> Future[ReplyT]:
        self._check()
        call = call_format(request)
        if call.stream_field is not None:
            return self._calls.submit(request)
        return asyncio.ensure_future(self._call(call, request))

    async def list_groups(self, request: ListGroups) -> ListedGroups:
        self._check()
        message = to_message(request, pb.ListGroupsRequest)
        response = await self._rpc("ListGroups", message, CALL_TIMEOUT_S)
        return from_message(response, ListedGroups)

    async def _call(self, call: GroupCallFormat, request: GroupRequest[ReplyT]) -> ReplyT:
        message = call.request_message()
        call.write_request(message, request)
        timeout_s = None if request.waits_for_members else CALL_TIMEOUT_S
        reply: ReplyT = call.read_reply(await self._rpc(call.rpc, message, timeout_s))
        return reply

    def _check(self) -> None:
        if self._reachability is not None:
            self._reachability.check()

    async def _rpc(self, method: str, message: Message, timeout_s: float | None) -> Any:
        with unavailable_on_failure(f"{self._name} {method}"):
            return await getattr(self._stub, method)(message, timeout=timeout_s)

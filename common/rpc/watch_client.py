"""gRPC client of a watch: receives changes; sends acknowledgements, reports and heartbeats."""

import asyncio
import logging
from contextlib import suppress
from typing import TypeAlias

import grpc
import grpc.aio

from common.ports.metadata import ClusterChange, Member, Registration
from common.ports.moves import MemberReport
from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from common.rpc.channels import unavailable_on_failure
from common.rpc.messages.metadata import (
    change_from_message,
    gateway_to_message,
    member_to_message,
)
from common.rpc.messages.ring import report_to_message
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import MetadataServiceStub

log = logging.getLogger(__name__)

#: Heartbeat interval before the first response, which contains the lease.
_FIRST_HEARTBEAT_S = 1.0

_HEARTBEATS_PER_LEASE = 3

# In quotes: generic for the type checker only.
_Call: TypeAlias = "grpc.aio.StreamStreamCall[pb.WatchRequest, pb.WatchResponse]"


class GrpcWatch:
    """Implements `common.ports.metadata.Watch`: one stream, kept alive by heartbeats."""

    def __init__(self, stub: MetadataServiceStub, registration: Registration) -> None:
        self._stub = stub
        self._registration = registration
        self._call: _Call | None = None
        self._sender: asyncio.Task[None] | None = None
        self._heartbeat_s = _FIRST_HEARTBEAT_S
        self._acknowledged = -1
        self._sent = -1
        self._report: MemberReport | None = None
        self._news = asyncio.Event()
        self._is_closed = False

    def __aiter__(self) -> "GrpcWatch":
        return self

    async def __anext__(self) -> ClusterChange:
        if self._is_closed:
            raise StopAsyncIteration
        try:
            message = await self._read()
        except BackendUnavailable:
            if self._is_closed:
                raise StopAsyncIteration from None
            raise
        self._set_lease(message.lease_ms / 1000)
        return change_from_message(message)

    def acknowledge(self, revision: int) -> None:
        self._acknowledged = revision
        self._news.set()

    def report(self, report: MemberReport) -> None:
        """Queues a report, merged with an unsent one: the newest value of each log and move."""
        self._report = report if self._report is None else _merged(self._report, report)
        self._news.set()

    async def close(self) -> None:
        self._is_closed = True
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait([self._sender])
        if self._call is not None:
            self._call.cancel()

    async def _read(self) -> pb.WatchResponse:
        with unavailable_on_failure("metadata Watch"):
            if self._call is None:
                self._call = self._stub.Watch()
                self._sender = asyncio.create_task(self._send(self._call))
                self._sender.add_done_callback(self._on_sender_ended)
            message = await _read_from(self._call)
        if not isinstance(message, pb.WatchResponse):
            raise BackendUnavailable("metadata Watch: ended by the service")
        return message

    async def _send(self, call: _Call) -> None:
        """Registers, then sends acknowledgements and reports, and heartbeats in between."""
        # Errors of the stream are reported by the reader.
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, BackendUnavailable):
            await call.write(_register(self._registration))
            while True:
                await call.write(await self._next_message())

    def _on_sender_ended(self, sender: "asyncio.Task[None]") -> None:
        """Ends the watch if the sender crashed; otherwise it would last until the lease expires."""
        if not sender.cancelled() and (bug := sender.exception()) is not None:
            log.error("the sender of the metadata watch crashed", exc_info=bug)
            if self._call is not None:
                self._call.cancel()

    async def _next_message(self) -> pb.WatchRequest:
        if self._sent == self._acknowledged and self._report is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat_s):
                    await self._news.wait()
        self._news.clear()
        if self._sent != self._acknowledged:
            self._sent = self._acknowledged
            return pb.WatchRequest(acknowledged_revision=self._sent)
        if self._report is not None:
            report, self._report = self._report, None
            return pb.WatchRequest(report=report_to_message(report))
        return pb.WatchRequest(heartbeat=pb.Heartbeat())

    def _set_lease(self, lease_s: float) -> None:
        heartbeat_s = lease_s / _HEARTBEATS_PER_LEASE
        if heartbeat_s != self._heartbeat_s:
            self._heartbeat_s = heartbeat_s
            # The current wait may be longer than the lease.
            self._news.set()


def _register(registration: Registration) -> pb.WatchRequest:
    if isinstance(registration, Member):
        return pb.WatchRequest(register_member=member_to_message(registration))
    return pb.WatchRequest(register_gateway=gateway_to_message(registration))


async def _read_from(call: _Call) -> object:
    """Returns the next message, or `grpc.aio.EOF`. Raises `RegistrationRefused` if rejected."""
    try:
        return await call.read()
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
            raise RegistrationRefused(error.details() or "registration refused") from error
        raise


def _merged(earlier: MemberReport, later: MemberReport) -> MemberReport:
    loads = {(load.topic_id, load.partition): load for load in (*earlier.loads, *later.loads)}
    moves = {progress.move_id: progress for progress in (*earlier.progress, *later.progress)}
    disk = earlier.disk if later.disk is None else later.disk
    return MemberReport(tuple(loads.values()), tuple(moves.values()), disk)

"""The metadata port over gRPC, for gateways and partition services."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import grpc.aio

from common.ports.metadata import (
    ClusterChange,
    Member,
    NewTopic,
    ProducerIdBlock,
    Registration,
    TopicResult,
)
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import CALL_TIMEOUT_S, unavailable_on_failure
from common.rpc.metadata_messages import (
    change_from_message,
    gateway_to_message,
    member_to_message,
    new_topic_to_message,
    result_from_message,
)
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import MetadataServiceStub

#: What a call that waits for others may take on top of the time it waits.
_ANSWER_MARGIN_S = 5.0

#: Until the service has said how long its lease is.
_FIRST_HEARTBEAT_S = 1.0

_HEARTBEATS_PER_LEASE = 3


class GrpcMetadata:
    """Implements `common.ports.metadata.Metadata`.

    Calls wait for a service that is restarting, up to their deadline; a watch fails at once.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """The channel stays the caller's, to be closed after the last call."""
        self._stub = MetadataServiceStub(channel)

    def watch(self, registration: Registration) -> "GrpcWatch":
        return GrpcWatch(self._stub, registration)

    async def create_topics(
        self, topics: Sequence[NewTopic], *, timeout_ms: int, validate_only: bool = False
    ) -> list[TopicResult]:
        request = pb.CreateTopicsRequest(
            topics=map(new_topic_to_message, topics),
            timeout_ms=timeout_ms,
            validate_only=validate_only,
        )
        with unavailable_on_failure("metadata CreateTopics"):
            answer: pb.CreateTopicsResponse = await self._stub.CreateTopics(
                request, timeout=_deadline_s(timeout_ms), wait_for_ready=True
            )
        return [result_from_message(one) for one in answer.results]

    async def delete_topics(
        self, names: Sequence[str] = (), topic_ids: Sequence[bytes] = (), *, timeout_ms: int
    ) -> list[TopicResult]:
        request = pb.DeleteTopicsRequest(names=names, topic_ids=topic_ids, timeout_ms=timeout_ms)
        with unavailable_on_failure("metadata DeleteTopics"):
            answer: pb.DeleteTopicsResponse = await self._stub.DeleteTopics(
                request, timeout=_deadline_s(timeout_ms), wait_for_ready=True
            )
        return [result_from_message(one) for one in answer.results]

    async def allocate_producer_ids(self) -> ProducerIdBlock:
        with unavailable_on_failure("metadata AllocateProducerIds"):
            answer: pb.AllocateProducerIdsResponse = await self._stub.AllocateProducerIds(
                pb.AllocateProducerIdsRequest(), timeout=CALL_TIMEOUT_S, wait_for_ready=True
            )
        return ProducerIdBlock(answer.first_producer_id, answer.count)


class GrpcWatch:
    """Implements `common.ports.metadata.Watch`: one stream, kept alive by heartbeats."""

    def __init__(self, stub: MetadataServiceStub, registration: Registration) -> None:
        self._stub = stub
        self._registration = registration
        self._call: grpc.aio.StreamStreamCall[pb.WatchRequest, pb.WatchResponse] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._heartbeat_s = _FIRST_HEARTBEAT_S
        self._acknowledged = -1
        self._sent = -1
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
        self._learn_lease(message.lease_ms / 1000)
        return change_from_message(message)

    def acknowledge(self, revision: int) -> None:
        self._acknowledged = revision
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
            message = await self._call.read()
        if not isinstance(message, pb.WatchResponse):
            raise BackendUnavailable("metadata Watch: ended by the service")
        return message

    async def _send(
        self, call: "grpc.aio.StreamStreamCall[pb.WatchRequest, pb.WatchResponse]"
    ) -> None:
        """Registers, then sends acknowledgements as they come and heartbeats in between."""
        # A broken stream is seen, and told, by whoever reads from it.
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(_register(self._registration))
            while True:
                await call.write(await self._next_message())

    async def _next_message(self) -> pb.WatchRequest:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._heartbeat_s):
                await self._news.wait()
        self._news.clear()
        if self._sent == self._acknowledged:
            return pb.WatchRequest(heartbeat=pb.Heartbeat())
        self._sent = self._acknowledged
        return pb.WatchRequest(acknowledged_revision=self._sent)

    def _learn_lease(self, lease_s: float) -> None:
        heartbeat_s = lease_s / _HEARTBEATS_PER_LEASE
        if heartbeat_s != self._heartbeat_s:
            self._heartbeat_s = heartbeat_s
            # The pause under way may be longer than the lease.
            self._news.set()


def _register(registration: Registration) -> pb.WatchRequest:
    if isinstance(registration, Member):
        return pb.WatchRequest(register_member=member_to_message(registration))
    return pb.WatchRequest(register_gateway=gateway_to_message(registration))


def _deadline_s(timeout_ms: int) -> float:
    return max(timeout_ms, 0) / 1000 + _ANSWER_MARGIN_S

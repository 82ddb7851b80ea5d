"""gRPC client of the metadata port, for gateways and partition services."""

import asyncio
from collections.abc import Sequence

import grpc.aio

from common.ports.metadata import NewTopic, ProducerIdBlock, Registration, TopicResult
from common.ports.moves import MemberProcess
from common.ports.unavailable import BackendUnavailable, CallNotSent
from common.rpc.channels import CALL_TIMEOUT_S, unavailable_on_failure
from common.rpc.leader import LeaderChannel
from common.rpc.messages.metadata import new_topic_to_message, result_from_message
from common.rpc.messages.ring import process_to_message
from common.rpc.watch_client import GrpcWatch
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import MetadataServiceStub

#: Added to the request's timeout to get the deadline of a call that waits for watchers.
_DEADLINE_MARGIN_S = 5.0

#: Part of the caller's timeout for which a call waits for the leader, and its bounds: a caller
#: should get a retriable error before its own timeout. An election takes some ten seconds.
_REACH_PART = 0.8
_REACH_S_MIN = 1.0
_REACH_S_MAX = 20.0


class GrpcMetadata:
    """Implements `common.ports.metadata.Metadata`.

    Calls wait for a service that is restarting or being elected, but fail with a retriable error
    before their callers time out. A watch fails at once.
    """

    def __init__(self, channel: grpc.aio.Channel | LeaderChannel) -> None:
        """The caller owns the channel and closes it after the last call."""
        self._channel = channel
        self._stub = MetadataServiceStub(channel)

    def watch(self, registration: Registration) -> GrpcWatch:
        return GrpcWatch(self._stub, registration)

    async def create_topics(
        self, topics: Sequence[NewTopic], *, timeout_ms: int, validate_only: bool = False
    ) -> list[TopicResult]:
        request = pb.CreateTopicsRequest(
            topics=map(new_topic_to_message, topics),
            timeout_ms=timeout_ms,
            validate_only=validate_only,
        )
        await self._reach("CreateTopics", timeout_ms)
        with unavailable_on_failure("metadata CreateTopics"):
            response: pb.CreateTopicsResponse = await self._stub.CreateTopics(
                request, timeout=_deadline_s(timeout_ms), wait_for_ready=True
            )
        return list(map(result_from_message, response.results))

    async def delete_topics(
        self, names: Sequence[str] = (), topic_ids: Sequence[bytes] = (), *, timeout_ms: int
    ) -> list[TopicResult]:
        request = pb.DeleteTopicsRequest(names=names, topic_ids=topic_ids, timeout_ms=timeout_ms)
        await self._reach("DeleteTopics", timeout_ms)
        with unavailable_on_failure("metadata DeleteTopics"):
            response: pb.DeleteTopicsResponse = await self._stub.DeleteTopics(
                request, timeout=_deadline_s(timeout_ms), wait_for_ready=True
            )
        return list(map(result_from_message, response.results))

    async def allocate_producer_ids(self) -> ProducerIdBlock:
        await self._reach("AllocateProducerIds", int(CALL_TIMEOUT_S * 1000))
        with unavailable_on_failure("metadata AllocateProducerIds"):
            response: pb.AllocateProducerIdsResponse = await self._stub.AllocateProducerIds(
                pb.AllocateProducerIdsRequest(), timeout=CALL_TIMEOUT_S, wait_for_ready=True
            )
        return ProducerIdBlock(response.first_producer_id, response.count)

    async def renew_volume_token(self, process: MemberProcess, token: str) -> None:
        request = pb.RenewVolumeTokenRequest(process=process_to_message(process), token=token)
        with unavailable_on_failure("metadata RenewVolumeToken"):
            await self._stub.RenewVolumeToken(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True)

    async def _reach(self, method: str, timeout_ms: int) -> None:
        """Waits for a connection to the leader.

        Raises:
            CallNotSent: no connection to the leader within the time limit.
        """
        reach_s = min(max(_REACH_PART * timeout_ms / 1000, _REACH_S_MIN), _REACH_S_MAX)
        try:
            async with asyncio.timeout(reach_s):
                await _connected(self._channel, reach_s)
        except (TimeoutError, grpc.aio.UsageError, BackendUnavailable) as error:
            raise CallNotSent(f"metadata {method}: not reached in {reach_s:g} s") from error


async def _connected(channel: grpc.aio.Channel | LeaderChannel, within_s: float) -> None:
    if isinstance(channel, LeaderChannel):
        await channel.leader(asyncio.get_running_loop().time() + within_s)
    else:
        await channel.channel_ready()


def _deadline_s(timeout_ms: int) -> float:
    return max(timeout_ms, 0) / 1000 + _DEADLINE_MARGIN_S

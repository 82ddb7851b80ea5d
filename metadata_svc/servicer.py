"""gRPC servicer of metadata.v1.MetadataService: converts to and from `LocalMetadata`."""

import asyncio
import logging
from collections.abc import AsyncIterator

import grpc.aio

from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from common.rpc.messages.metadata import (
    new_topic_from_message,
    result_to_message,
    topic_to_message,
)
from common.rpc.messages.ring import process_from_message
from common.rpc.server import Service
from common.rpc.status import abort_with
from metadata_svc.core import LocalMetadata
from metadata_svc.watch.messages import ChangeMessages
from metadata_svc.watch.requests import InvalidRegistration, forward_requests, registration
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import (
    MetadataServiceServicer,
    add_MetadataServiceServicer_to_server,
)

log = logging.getLogger(__name__)


class MetadataServicer(MetadataServiceServicer):
    """Implements the RPCs that `protos/metadata/v1/metadata.proto` describes."""

    def __init__(self, core: LocalMetadata) -> None:
        self._core = core
        self._messages = ChangeMessages(lease_ms=core.lease_ms)

    async def Watch(  # noqa: N802 - named by the proto
        self,
        requests: AsyncIterator[pb.WatchRequest],
        context: grpc.aio.ServicerContext[pb.WatchRequest, pb.WatchResponse],
    ) -> AsyncIterator[pb.WatchResponse]:
        try:
            registered = await registration(requests, pauses=self._core.pauses)
        except InvalidRegistration as error:
            await abort_with(context, error)
        watch = self._core.watch(registered)
        reader = asyncio.create_task(
            forward_requests(requests, watch, watcher=registered, pauses=self._core.pauses)
        )
        try:
            async for change in watch:
                yield self._messages.of(change)
        except (RegistrationRefused, BackendUnavailable) as error:
            await abort_with(context, error)
        finally:
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled() and (bug := reader.exception()) is not None:
                log.error("reading the watch requests of %s failed", registered, exc_info=bug)
            await watch.close()

    async def CreateTopics(  # noqa: N802
        self,
        request: pb.CreateTopicsRequest,
        context: grpc.aio.ServicerContext[pb.CreateTopicsRequest, pb.CreateTopicsResponse],
    ) -> pb.CreateTopicsResponse:
        creating = self._core.create_topics(
            [new_topic_from_message(topic) for topic in request.topics],
            timeout_ms=request.timeout_ms,
            validate_only=request.validate_only,
        )
        results = await creating
        return pb.CreateTopicsResponse(results=map(result_to_message, results))

    async def DeleteTopics(  # noqa: N802
        self,
        request: pb.DeleteTopicsRequest,
        context: grpc.aio.ServicerContext[pb.DeleteTopicsRequest, pb.DeleteTopicsResponse],
    ) -> pb.DeleteTopicsResponse:
        deleting = self._core.delete_topics(
            request.names, request.topic_ids, timeout_ms=request.timeout_ms
        )
        results = await deleting
        return pb.DeleteTopicsResponse(results=map(result_to_message, results))

    async def DescribeTopics(  # noqa: N802
        self,
        request: pb.DescribeTopicsRequest,
        context: grpc.aio.ServicerContext[pb.DescribeTopicsRequest, pb.DescribeTopicsResponse],
    ) -> pb.DescribeTopicsResponse:
        """Returns the named topics that exist, or all topics if the request names none."""
        view = self._core.view
        topics = [view.topic(name) for name in request.names] if request.names else view.topics
        return pb.DescribeTopicsResponse(
            revision=view.revision,
            topics=[topic_to_message(topic) for topic in topics if topic is not None],
        )

    async def AllocateProducerIds(  # noqa: N802
        self,
        request: pb.AllocateProducerIdsRequest,
        context: grpc.aio.ServicerContext[
            pb.AllocateProducerIdsRequest, pb.AllocateProducerIdsResponse
        ],
    ) -> pb.AllocateProducerIdsResponse:
        block = await self._core.allocate_producer_ids()
        return pb.AllocateProducerIdsResponse(first_producer_id=block.first, count=block.count)

    async def RenewVolumeToken(  # noqa: N802
        self,
        request: pb.RenewVolumeTokenRequest,
        context: grpc.aio.ServicerContext[pb.RenewVolumeTokenRequest, pb.RenewVolumeTokenResponse],
    ) -> pb.RenewVolumeTokenResponse:
        process = process_from_message(request.process)
        await self._core.renew_volume_token(process, request.token)
        return pb.RenewVolumeTokenResponse()


def service(core: LocalMetadata) -> Service:
    """Returns the servicer with its name, for registration on an `RpcServer`."""
    servicer = MetadataServicer(core)
    return Service(
        "metadata.v1.MetadataService",
        lambda server: add_MetadataServiceServicer_to_server(servicer, server),
    )

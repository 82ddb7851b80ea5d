"""The connection of `ringlog groups` to a cluster's coordinators and logs, over gRPC.

It polls the metadata service for topics, placement and members, and is not registered there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import grpc.aio

from common.client.groups.coordinators import RoutedCoordinators
from common.client.groups.offsets_topic import OffsetsTopic
from common.client.partition_client import GrpcPartitions
from common.client.partitions import RoutedPartitions
from common.cluster.view import ClusterView
from common.ports.coordinators import OFFSETS_TOPIC_PARTITIONS
from common.ports.metadata import ClusterChange, Member
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import CALL_TIMEOUT_S, unavailable_on_failure
from common.rpc.leader import LeaderChannel, open_leader_channel
from common.rpc.messages.metadata import topic_from_message
from common.rpc.metadata_client import GrpcMetadata
from common.rpc.ring_client import GrpcRing
from protos.metadata.v1 import metadata_pb2 as pb
from protos.metadata.v1.metadata_pb2_grpc import MetadataServiceStub
from ringlog.cli.groups.admin import GroupsAdmin

#: The age at which the copy of the cluster's metadata is replaced.
_POLL_S: Final = 0.25


@asynccontextmanager
async def open_groups(metadata_address: str) -> AsyncIterator[GroupsAdmin]:
    """Opens the groups of the cluster at "host:port", or "host:port,…" of which one leads.

    Raises:
        BackendUnavailable: no metadata service responds there.
    """
    view = ClusterView()
    partitions = RoutedPartitions(view, GrpcPartitions)
    async with open_leader_channel(metadata_address) as channel:
        topic = OffsetsTopic(view, GrpcMetadata(channel), partition_count=OFFSETS_TOPIC_PARTITIONS)
        coordinators = RoutedCoordinators(topic, partitions.coordinators_of)
        view.apply(await current_cluster(channel))

        async def poll() -> None:
            while True:
                await asyncio.sleep(_POLL_S)
                with suppress(BackendUnavailable):
                    change = await current_cluster(channel)
                    view.apply(change)
                    partitions.view_changed(change)
                    coordinators.view_changed()

        polling = asyncio.create_task(poll())
        try:
            yield GroupsAdmin(view, coordinators, partitions)
        finally:
            polling.cancel()
            await asyncio.wait([polling])
            await topic.close()
            await partitions.close()


async def current_cluster(channel: grpc.aio.Channel | LeaderChannel) -> ClusterChange:
    """Returns a snapshot of topics and members. Raises `BackendUnavailable`."""
    ring = await GrpcRing(channel).describe_ring()
    with unavailable_on_failure("metadata DescribeTopics"):
        response: pb.DescribeTopicsResponse = await MetadataServiceStub(channel).DescribeTopics(
            pb.DescribeTopicsRequest(), timeout=CALL_TIMEOUT_S, wait_for_ready=True
        )
    return ClusterChange(
        response.revision,
        cluster_id="",
        is_snapshot=True,
        topics=[topic_from_message(topic) for topic in response.topics],
        members=[Member(member.name, member.address) for member in ring.members],
    )

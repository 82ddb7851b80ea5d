"""Conversion of metadata.v1 messages to and from the types of the metadata port.

Used by clients and by the service. Parsing validates nothing: the metadata service does.
"""

from collections.abc import Callable

from common.ports.metadata import (
    ClusterChange,
    Endpoint,
    Gateway,
    Member,
    NewTopic,
    Placement,
    PlacementChange,
    Topic,
    TopicRefusal,
    TopicResult,
    VolumeState,
)
from common.rpc.messages.ring import move_from_message, move_to_message
from protos.metadata.v1 import metadata_pb2 as pb


def change_to_message(
    change: ClusterChange,
    *,
    lease_ms: int,
    to_topic: Callable[[Topic], pb.Topic] | None = None,
) -> pb.WatchResponse:
    """Converts a change; `to_topic` lets the caller reuse cached messages of topics."""
    message = pb.WatchResponse(
        revision=change.revision,
        cluster_id=change.cluster_id,
        is_snapshot=change.is_snapshot,
        topics=map(to_topic or topic_to_message, change.topics),
        topics_gone=change.deleted_topics,
        placements=map(_placement_change_to_message, change.placements),
        gateways=map(gateway_to_message, change.gateways),
        gateways_gone=change.removed_gateways,
        members=map(member_to_message, change.members),
        members_gone=change.removed_members,
        moves=map(move_to_message, change.moves),
        moves_gone=change.ended_moves,
        lease_ms=lease_ms,
    )
    if change.broker_configs is not None:
        message.broker_configs.SetInParent()
        message.broker_configs.entries.update(change.broker_configs)
    return message


def change_from_message(message: pb.WatchResponse) -> ClusterChange:
    has_configs = message.HasField("broker_configs")
    return ClusterChange(
        revision=message.revision,
        cluster_id=message.cluster_id,
        is_snapshot=message.is_snapshot,
        topics=tuple(map(topic_from_message, message.topics)),
        deleted_topics=tuple(message.topics_gone),
        placements=tuple(map(_placement_change_from_message, message.placements)),
        gateways=tuple(map(gateway_from_message, message.gateways)),
        removed_gateways=tuple(message.gateways_gone),
        members=tuple(map(member_from_message, message.members)),
        removed_members=tuple(message.members_gone),
        moves=tuple(map(move_from_message, message.moves)),
        ended_moves=tuple(message.moves_gone),
        broker_configs=dict(message.broker_configs.entries) if has_configs else None,
    )


def _placement_change_to_message(change: PlacementChange) -> pb.PlacementChange:
    owner, leader_epoch = change.placement
    return pb.PlacementChange(
        topic_id=change.topic_id,
        partition=change.partition,
        placement=pb.Placement(owner=owner, leader_epoch=leader_epoch),
    )


def _placement_change_from_message(message: pb.PlacementChange) -> PlacementChange:
    placement = Placement(message.placement.owner, message.placement.leader_epoch)
    return PlacementChange(message.topic_id, message.partition, placement)


def topic_to_message(topic: Topic) -> pb.Topic:
    return pb.Topic(
        topic_id=topic.topic_id,
        name=topic.name,
        partitions=[
            pb.Placement(owner=owner, leader_epoch=epoch) for owner, epoch in topic.partitions
        ],
        configs=topic.configs,
        is_internal=topic.is_internal,
    )


def topic_from_message(message: pb.Topic) -> Topic:
    return Topic(
        topic_id=message.topic_id,
        name=message.name,
        partitions=tuple(
            Placement(placement.owner, placement.leader_epoch) for placement in message.partitions
        ),
        configs=dict(message.configs),
        is_internal=message.is_internal,
    )


def gateway_to_message(gateway: Gateway) -> pb.Gateway:
    return pb.Gateway(
        node_id=gateway.node_id,
        endpoints=[
            pb.Endpoint(listener=endpoint.listener, host=endpoint.host, port=endpoint.port)
            for endpoint in gateway.endpoints
        ],
        rack=gateway.rack,
    )


def gateway_from_message(message: pb.Gateway) -> Gateway:
    return Gateway(
        node_id=message.node_id,
        endpoints=tuple(
            Endpoint(endpoint.listener, endpoint.host, endpoint.port)
            for endpoint in message.endpoints
        ),
        rack=message.rack if message.HasField("rack") else None,
    )


def member_to_message(member: Member) -> pb.Member:
    return pb.Member(
        name=member.name,
        address=member.address,
        volume_id=member.volume_id,
        incarnation=member.incarnation,
        opening_id=member.opening_id,
        volume=None if member.volume is None else _volume_to_message(member.volume),
    )


def member_from_message(message: pb.Member) -> Member:
    return Member(
        message.name,
        message.address,
        message.volume_id,
        message.incarnation,
        message.opening_id,
        _volume_from_message(message.volume) if message.HasField("volume") else None,
    )


def _volume_to_message(volume: VolumeState) -> pb.VolumeState:
    return pb.VolumeState(
        tokens=volume.tokens,
        applied_revision=volume.applied_revision,
        leader_epoch=volume.leader_epoch,
        move_id=volume.move_id,
        may_lack_records=volume.may_lack_records,
        cluster_id=volume.cluster_id,
    )


def _volume_from_message(message: pb.VolumeState) -> VolumeState:
    return VolumeState(
        tuple(message.tokens),
        message.applied_revision,
        message.leader_epoch,
        message.move_id,
        message.may_lack_records,
        message.cluster_id,
    )


def new_topic_to_message(topic: NewTopic) -> pb.NewTopic:
    return pb.NewTopic(
        name=topic.name,
        partition_count=topic.partition_count,
        replication_factor=topic.replication_factor,
        assignments={
            partition: pb.Replicas(node_ids=nodes) for partition, nodes in topic.assignments.items()
        },
        configs=[pb.ConfigEntry(name=name, value=value) for name, value in topic.configs.items()],
    )


def new_topic_from_message(message: pb.NewTopic) -> NewTopic:
    return NewTopic(
        name=message.name,
        partition_count=message.partition_count,
        replication_factor=message.replication_factor,
        assignments={
            partition: tuple(replicas.node_ids)
            for partition, replicas in message.assignments.items()
        },
        configs={
            entry.name: entry.value if entry.HasField("value") else None
            for entry in message.configs
        },
    )


def result_to_message(result: TopicResult) -> pb.TopicResult:
    return pb.TopicResult(
        name=result.name,
        topic_id=result.topic_id,
        topic=None if result.topic is None else topic_to_message(result.topic),
        refusal="TOPIC_REFUSAL_" + (result.refusal.name if result.refusal else "UNSPECIFIED"),
        message=result.message or "",
    )


def result_from_message(message: pb.TopicResult) -> TopicResult:
    return TopicResult(
        name=message.name if message.HasField("name") else None,
        topic_id=message.topic_id if message.HasField("topic_id") else None,
        topic=topic_from_message(message.topic) if message.HasField("topic") else None,
        refusal=TopicRefusal(message.refusal) if message.refusal else None,
        message=message.message or None,
    )

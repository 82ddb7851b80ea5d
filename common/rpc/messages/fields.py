"""Fields that the messages of partition.v1 share: log ids, leader epochs, refusals.

An absent leader epoch is -1 in the port's types: do not check it. Refusals have the same numbers
on both sides; 0 in a message is None.
"""

from typing import Final

from common.ports.partitions import NO_LEADER_EPOCH, LogId, Refusal
from common.rpc.status import MalformedRequest
from protos.partition.v1 import partition_pb2 as pb

#: By name, though the numbers are the same: a refusal that the proto lacks fails at import.
REFUSALS: Final[dict[Refusal | None, pb.Refusal]] = {
    None: pb.REFUSAL_UNSPECIFIED,
    **{refusal: getattr(pb, f"REFUSAL_{refusal.name}") for refusal in Refusal},
}
_TOPIC_ID_BYTES: Final = 16


def log_from_message(
    message: pb.Append | pb.FetchPartition | pb.OffsetQuery | pb.EpochQuery | pb.LogId,
) -> LogId:
    """Raises `MalformedRequest` where the topic id has another size than 16 bytes."""
    topic_id = message.topic_id
    if len(topic_id) != _TOPIC_ID_BYTES:
        raise MalformedRequest(f"topic_id must have 16 bytes, not {len(topic_id)}")
    return LogId(topic_id, message.partition)


def leader_epoch_to_message(leader_epoch: int) -> int | None:
    return None if leader_epoch == NO_LEADER_EPOCH else leader_epoch


def leader_epoch_from_message(message: pb.Append | pb.FetchPartition | pb.OffsetQuery) -> int:
    return message.leader_epoch if message.HasField("leader_epoch") else NO_LEADER_EPOCH


def refusal_from_message(number: int) -> Refusal | None:
    return Refusal(number) if number else None

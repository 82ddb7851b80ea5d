"""Conversion between messages of partition/v1/moving.proto and the types of logs and store."""

from collections.abc import Sequence

from common.ports.moves import Move
from common.ports.partitions import LogId
from partition_svc.store.keys import LogHead
from partition_svc.store.reading import Row
from protos.partition.v1 import moving_pb2 as pb


def moved_log(move: Move) -> pb.MovedLog:
    return pb.MovedLog(
        move_id=move.move_id,
        topic_id=move.topic_id,
        partition=move.partition,
        leader_epoch=move.leader_epoch,
    )


def log_from_message(message: pb.MovedLog) -> LogId:
    return LogId(message.topic_id, message.partition)


def head_to_message(head: LogHead, *, continues: bool = False) -> pb.MovedHead:
    return pb.MovedHead(
        log_start_offset=head.log_start_offset,
        end_offset=head.next_offset,
        size_bytes=head.size_bytes,
        max_timestamp=head.max_timestamp,
        max_timestamp_offset=head.max_timestamp_offset,
        leader_epoch=head.leader_epoch,
        continues=continues,
    )


def head_from_message(message: pb.MovedHead) -> LogHead:
    """The head without its fence, which each member has for itself."""
    return LogHead(
        message.log_start_offset,
        message.end_offset,
        message.size_bytes,
        message.max_timestamp,
        message.max_timestamp_offset,
        message.leader_epoch,
    )


def rows_to_message(rows: Sequence[Row]) -> pb.Rows:
    return pb.Rows(rows=[pb.Row(kind=kind, key=key, value=value) for kind, key, value in rows])


def rows_from_message(message: pb.Rows) -> list[Row]:
    return [(row.kind, row.key, row.value) for row in message.rows]

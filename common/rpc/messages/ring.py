"""Conversion of metadata.v1 messages of the ring to and from the types of the ring's port."""

from common.ports.moves import (
    DiskState,
    LogLoad,
    LostPartitions,
    MemberProcess,
    MemberReport,
    Move,
    MoveDescription,
    MovePhase,
    MoveProgress,
    RingDescription,
    RingMember,
    RingRefusal,
    RingResult,
    RingState,
)
from protos.metadata.v1 import ring_pb2 as pb


def move_to_message(move: Move) -> pb.Move:
    return pb.Move(
        move_id=move.move_id,
        topic_id=move.topic_id,
        partition=move.partition,
        source=move.source,
        target=move.target,
        leader_epoch=move.leader_epoch,
        phase="MOVE_PHASE_" + move.phase.name,
    )


def move_from_message(message: pb.Move) -> Move:
    """Parses a move. Raises ValueError if its phase is unknown."""
    return Move(
        message.move_id,
        message.topic_id,
        message.partition,
        message.source,
        message.target,
        message.leader_epoch,
        MovePhase(message.phase),
    )


def process_to_message(process: MemberProcess | None) -> pb.MemberProcess | None:
    if process is None:
        return None
    return pb.MemberProcess(name=process.name, opening_id=process.opening_id)


def process_from_message(message: pb.MemberProcess) -> MemberProcess:
    return MemberProcess(message.name, message.opening_id)


def report_to_message(report: MemberReport) -> pb.MemberReport:
    return pb.MemberReport(
        loads=[
            pb.LogLoad(
                topic_id=load.topic_id,
                partition=load.partition,
                size_bytes=load.size_bytes,
                bytes_per_second=load.bytes_per_second,
            )
            for load in report.loads
        ],
        progress=[
            pb.MoveProgress(
                move_id=progress.move_id,
                copied_bytes=progress.copied_bytes,
                total_bytes=progress.total_bytes,
                trouble=progress.trouble,
            )
            for progress in report.progress
        ],
        disk=_disk_to_message(report.disk),
    )


def report_from_message(message: pb.MemberReport) -> MemberReport:
    return MemberReport(
        tuple(
            LogLoad(load.topic_id, load.partition, load.size_bytes, load.bytes_per_second)
            for load in message.loads
        ),
        tuple(
            MoveProgress(
                progress.move_id, progress.copied_bytes, progress.total_bytes, progress.trouble
            )
            for progress in message.progress
        ),
        _disk_from_message(message),
    )


def ring_to_message(ring: RingDescription) -> pb.DescribeRingResponse:
    return pb.DescribeRingResponse(
        revision=ring.revision,
        members=map(_member_to_message, ring.members),
        moves=map(_description_to_message, ring.moves),
        waiting_moves=ring.waiting_moves,
        waiting_bytes=ring.waiting_bytes,
        is_rebalancing=ring.is_rebalancing,
        unsized_moves=ring.unsized_moves,
        troubles=ring.troubles,
    )


def ring_from_message(message: pb.DescribeRingResponse) -> RingDescription:
    return RingDescription(
        message.revision,
        tuple(map(_member_from_message, message.members)),
        tuple(map(_description_from_message, message.moves)),
        message.waiting_moves,
        message.waiting_bytes,
        message.is_rebalancing,
        message.unsized_moves,
        tuple(message.troubles),
    )


def ring_result_to_message(result: RingResult) -> pb.ChangeRingResponse:
    return pb.ChangeRingResponse(
        refusal="RING_REFUSAL_" + (result.refusal.name if result.refusal else "UNSPECIFIED"),
        message=result.message or "",
        lost=map(_lost_to_message, result.lost),
    )


def ring_result_from_message(message: pb.ChangeRingResponse) -> RingResult:
    refusal = RingRefusal(message.refusal) if message.refusal else None
    lost = tuple(map(_lost_from_message, message.lost))
    return RingResult(refusal, message.message or None, lost)


def _lost_to_message(lost: LostPartitions) -> pb.LostPartitions:
    return pb.LostPartitions(
        topic_id=lost.topic_id,
        topic=lost.topic,
        partitions=lost.partitions,
        size_bytes=lost.size_bytes,
    )


def _lost_from_message(message: pb.LostPartitions) -> LostPartitions:
    return LostPartitions(
        message.topic_id, message.topic, tuple(message.partitions), message.size_bytes
    )


def _member_to_message(member: RingMember) -> pb.RingMember:
    return pb.RingMember(
        name=member.name,
        address=member.address,
        state="RING_STATE_" + member.state.name,
        is_alive=member.is_alive,
        partitions=member.partitions,
        planned=member.planned,
        size_bytes=member.size_bytes,
        disk=_disk_to_message(member.disk),
    )


def _member_from_message(message: pb.RingMember) -> RingMember:
    return RingMember(
        message.name,
        message.address,
        RingState(message.state),
        message.is_alive,
        message.partitions,
        message.planned,
        message.size_bytes,
        _disk_from_message(message),
    )


def _disk_to_message(disk: DiskState | None) -> pb.DiskState | None:
    if disk is None:
        return None
    return pb.DiskState(room_bytes=disk.room_bytes, is_writable=disk.is_writable)


def _disk_from_message(message: pb.MemberReport | pb.RingMember) -> DiskState | None:
    if not message.HasField("disk"):
        return None
    return DiskState(message.disk.room_bytes, message.disk.is_writable)


def _description_to_message(description: MoveDescription) -> pb.MoveDescription:
    return pb.MoveDescription(
        move=move_to_message(description.move),
        topic=description.topic,
        copied_bytes=description.copied_bytes,
        total_bytes=description.total_bytes,
        bytes_per_second=description.bytes_per_second,
        trouble=description.trouble,
    )


def _description_from_message(message: pb.MoveDescription) -> MoveDescription:
    return MoveDescription(
        move_from_message(message.move),
        message.topic,
        message.copied_bytes,
        message.total_bytes,
        message.bytes_per_second,
        message.trouble,
    )

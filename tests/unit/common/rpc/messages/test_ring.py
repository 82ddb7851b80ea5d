import pytest

from common.ports.moves import (
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
from common.rpc.messages import ring as messages
from protos.metadata.v1 import ring_pb2 as pb


def over_the_wire(message):
    return type(message).FromString(message.SerializeToString())


def move(phase=MovePhase.PREPARE):
    return Move(2**40, bytes(range(16)), 9_999, "p-0", "p-1", 2**31 - 1, phase)


@pytest.mark.parametrize("phase", MovePhase)
def test_a_move_arrives_as_it_was_sent(phase):
    message = over_the_wire(messages.move_to_message(move(phase)))
    assert messages.move_from_message(message) == move(phase)


def test_a_process_arrives_as_it_was_sent():
    process = MemberProcess("p-0", "0123456789abcdef")
    message = over_the_wire(messages.process_to_message(process))
    assert messages.process_from_message(message) == process
    assert messages.process_to_message(None) is None


def test_a_phase_of_a_later_release_is_an_error():
    with pytest.raises(ValueError, match="99"):
        messages.move_from_message(pb.Move(phase=99))


@pytest.mark.parametrize(
    "report",
    [
        MemberReport(),
        MemberReport(
            (LogLoad(bytes(16), 1, 2**50, 2**33), LogLoad(bytes(16), 0, 0, 0)),
            (MoveProgress(2**40, 2**50, 2**51),),
        ),
    ],
)
def test_a_report_arrives_as_it_was_sent(report):
    assert messages.report_from_message(over_the_wire(messages.report_to_message(report))) == report


@pytest.mark.parametrize(
    "ring",
    [
        RingDescription(0),
        RingDescription(
            2**40,
            tuple(
                RingMember(f"p-{state}", "h:1", state, state is RingState.JOINED, 5, 6, 2**50)
                for state in RingState
            ),
            (MoveDescription(move(), "t", 1, 2**50, 3), MoveDescription(move(), "u")),
            waiting_moves=4,
            waiting_bytes=2**45,
            is_rebalancing=True,
        ),
    ],
)
def test_a_description_arrives_as_it_was_sent(ring):
    assert messages.ring_from_message(over_the_wire(messages.ring_to_message(ring))) == ring


@pytest.mark.parametrize(
    "result",
    [
        RingResult(),
        RingResult(lost=(LostPartitions(bytes(16), "t", (0, 7), 9),)),
        *(RingResult(refusal, "reason") for refusal in RingRefusal),
    ],
)
def test_a_result_arrives_as_it_was_sent(result):
    message = over_the_wire(messages.ring_result_to_message(result))
    assert messages.ring_result_from_message(message) == result


@pytest.mark.parametrize(
    ("port_enum", "proto_enum"),
    [
        (MovePhase, pb.MovePhase),
        (RingState, pb.RingState),
        (RingRefusal, pb.RingRefusal),
    ],
)
def test_numbers_and_names_are_those_of_the_proto(port_enum, proto_enum):
    port_numbers = {member.name: member.value for member in port_enum}
    proto_numbers = {name.split("_", 2)[2]: number for name, number in proto_enum.items()}
    assert {**port_numbers, "UNSPECIFIED": 0} == proto_numbers

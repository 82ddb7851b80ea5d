from dataclasses import replace
from types import SimpleNamespace

import pytest

from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.moves import Move, MovePhase
from metadata_svc.moves.fence_timeouts import FenceTimeouts

TOPIC = Topic(bytes(16), "t", (Placement("a", 0), Placement("a", 0)))
MOVE = Move(5, TOPIC.topic_id, 0, "a", "b", 0, MovePhase.FENCE)
TIMEOUT_S = 10.0


class FakeMembers:
    """Fake registry: a member may be alive if its name is in `alive`."""

    def __init__(self):
        self.alive = {"a", "b"}
        self.pauses = SimpleNamespace(check=lambda: None, resumed_at=float("-inf"))

    def may_be_alive(self, member):
        return member in self.alive


def fence_timeouts(*moves):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, topics=[TOPIC], moves=moves))
    members = FakeMembers()
    return FenceTimeouts(view, members, TIMEOUT_S), members


def test_a_fenced_move_expires_one_timeout_after_it_was_first_seen():
    fences, _ = fence_timeouts(MOVE)
    assert fences.next_time is None
    assert fences.expired(100.0) == []
    assert fences.next_time == 110.0
    assert fences.expired(109.9) == []
    assert fences.expired(110.0) == [MOVE]


@pytest.mark.parametrize("phase", [MovePhase.PREPARE, MovePhase.CATCH_UP, MovePhase.COMMIT])
def test_a_move_in_another_phase_does_not_expire(phase):
    fences, _ = fence_timeouts(replace(MOVE, phase=phase))
    fences.expired(0.0)
    assert fences.expired(1_000.0) == []
    assert fences.next_time is None


def test_a_fenced_move_with_a_dead_target_expires_at_once_and_is_retried_without_delay():
    fences, members = fence_timeouts(MOVE)
    members.alive.remove("b")
    assert fences.expired(0.0) == [MOVE]
    assert fences.on_rolled_back(MOVE) == 0.0


def test_a_fenced_move_with_a_dead_source_does_not_expire():
    fences, members = fence_timeouts(MOVE)
    members.alive.remove("a")
    fences.expired(0.0)
    assert fences.expired(1_000.0) == []


def test_a_pause_of_the_process_gives_a_fenced_move_a_whole_timeout_again():
    fences, members = fence_timeouts(MOVE)
    fences.expired(0.0)
    members.pauses.resumed_at = 50.0
    assert fences.expired(59.0) == []
    assert fences.expired(60.0) == [MOVE]


def test_the_wait_after_each_timeout_doubles_up_to_a_limit():
    fences, _ = fence_timeouts(MOVE)
    waits = []
    for round_number in range(7):
        fences.expired(100.0 * round_number)
        waits.append(fences.on_rolled_back(MOVE) / TIMEOUT_S)
    assert waits == [1, 2, 4, 8, 16, 16, 16]


@pytest.mark.parametrize(
    "forget", [FenceTimeouts.reset, lambda timeouts: timeouts.forget_topics({bytes(16)})]
)
def test_timeouts_are_reset_with_the_topic_or_when_the_ring_changes(forget):
    fences, _ = fence_timeouts(MOVE)
    for _ in range(3):
        fences.expired(0.0)
        fences.on_rolled_back(MOVE)
    forget(fences)
    fences.expired(0.0)
    assert fences.on_rolled_back(MOVE) == TIMEOUT_S

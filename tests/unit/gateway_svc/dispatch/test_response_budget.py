import pytest

from gateway_svc.dispatch.response_budget import RESPONSE_BYTES_MIN, ResponseBudget

MIB = 1 << 20


def test_little_is_granted_in_full():
    with ResponseBudget(100 * MIB, lambda: 0).reserve(10_000) as granted:
        assert granted == 10_000


def test_one_answer_leaves_room_for_others():
    with ResponseBudget(100 * MIB, lambda: 20 * MIB).reserve(90 * MIB) as granted:
        assert granted == 20 * MIB


def test_what_is_promised_counts_until_it_is_answered():
    room = ResponseBudget(100 * MIB, lambda: 0)
    with room.reserve(90 * MIB) as first, room.reserve(90 * MIB) as second:
        assert second < first
    with room.reserve(90 * MIB) as again:
        assert again == first


def test_something_is_granted_however_much_is_in_use():
    room = ResponseBudget(100 * MIB, lambda: 500 * MIB)
    with room.reserve(90 * MIB) as granted, room.reserve(90 * MIB) as other:
        assert granted == other == RESPONSE_BYTES_MIN


def test_a_promise_ends_with_an_error_too():
    room = ResponseBudget(4 * MIB, lambda: 0)
    with pytest.raises(RuntimeError), room.reserve(4 * MIB):
        raise RuntimeError
    with room.reserve(MIB) as granted:
        assert granted == MIB

import pytest

from gateway_svc.dispatch.response_budget import RESPONSE_BYTES_MIN, ResponseBudget

MIB = 1 << 20


def test_reserve_grants_small_requests_in_full():
    with ResponseBudget(100 * MIB, lambda: 0).reserve(10_000) as granted:
        assert granted == 10_000


def test_reserve_grants_one_response_a_part_of_the_free_memory():
    with ResponseBudget(100 * MIB, lambda: 20 * MIB).reserve(90 * MIB) as granted:
        assert granted == 20 * MIB


def test_reserved_bytes_count_until_the_with_statement_ends():
    budget = ResponseBudget(100 * MIB, lambda: 0)
    with budget.reserve(90 * MIB) as first, budget.reserve(90 * MIB) as second:
        assert second < first
    with budget.reserve(90 * MIB) as third:
        assert third == first


def test_reserve_grants_a_minimum_when_memory_is_used_up():
    budget = ResponseBudget(100 * MIB, lambda: 500 * MIB)
    with budget.reserve(90 * MIB) as granted, budget.reserve(90 * MIB) as other:
        assert granted == other == RESPONSE_BYTES_MIN


def test_reservation_ends_if_its_body_raises():
    budget = ResponseBudget(4 * MIB, lambda: 0)
    with pytest.raises(RuntimeError), budget.reserve(4 * MIB):
        raise RuntimeError
    with budget.reserve(MIB) as granted:
        assert granted == MIB

import asyncio

import pytest

from common.client.fan_out import merge_results
from common.ports.partitions import OffsetResult, Refusal
from common.ports.unavailable import BackendUnavailable


async def answers(*offsets: int) -> list[OffsetResult]:
    return [OffsetResult(one) for one in offsets]


async def fails(error: Exception) -> list[OffsetResult]:
    raise error


def results(begun, missing, count):
    async def scenario() -> list[tuple[Refusal | None, int]]:
        found = await merge_results(begun, missing, count, lambda _, why: OffsetResult(refusal=why))
        return [(one.refusal, one.offset) for one in found]

    return asyncio.run(scenario())


def test_results_are_in_the_order_of_the_query():
    begun = [(answers(10, 12), [0, 2]), (answers(13), [3])]
    assert results(begun, {1: Refusal.UNKNOWN_TOPIC_OR_PARTITION}, 4) == [
        (None, 10),
        (Refusal.UNKNOWN_TOPIC_OR_PARTITION, -1),
        (None, 12),
        (None, 13),
    ]


def test_owner_without_a_response_does_not_affect_the_results_of_others():
    begun = [(fails(BackendUnavailable("gone")), [0, 2]), (answers(11), [1])]
    assert results(begun, {}, 3) == [
        (Refusal.NO_RESPONSE, -1),
        (None, 11),
        (Refusal.NO_RESPONSE, -1),
    ]


def test_error_of_the_first_owner_is_raised_if_none_responds():
    with pytest.raises(BackendUnavailable, match="gone"):
        results([(fails(BackendUnavailable("gone")), [0])], {1: Refusal.NOT_OWNER}, 2)


def test_a_bug_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        results([(fails(ZeroDivisionError()), [0]), (answers(11), [1])], {}, 2)


def test_no_requests_give_the_missing_refusals():
    assert results([], {0: Refusal.NOT_OWNER}, 1) == [(Refusal.NOT_OWNER, -1)]

import asyncio

import pytest

from common.client.fan_out import merge_results
from common.ports.partitions import OffsetResult, Refusal
from common.ports.unavailable import BackendUnavailable


async def respond(*offsets: int) -> list[OffsetResult]:
    return [OffsetResult(offset) for offset in offsets]


async def fail(error: Exception) -> list[OffsetResult]:
    raise error


def merge(requests, missing, count):
    async def scenario() -> list[tuple[Refusal | None, int]]:
        results = await merge_results(
            requests, missing, count, lambda _, refusal: OffsetResult(refusal=refusal)
        )
        return [(result.refusal, result.offset) for result in results]

    return asyncio.run(scenario())


def test_results_are_in_the_order_of_the_query():
    requests = [(respond(10, 12), [0, 2]), (respond(13), [3])]
    assert merge(requests, {1: Refusal.UNKNOWN_TOPIC_OR_PARTITION}, 4) == [
        (None, 10),
        (Refusal.UNKNOWN_TOPIC_OR_PARTITION, -1),
        (None, 12),
        (None, 13),
    ]


def test_owner_without_a_response_does_not_affect_the_results_of_others():
    requests = [(fail(BackendUnavailable("unreachable")), [0, 2]), (respond(11), [1])]
    assert merge(requests, {}, 3) == [
        (Refusal.NO_RESPONSE, -1),
        (None, 11),
        (Refusal.NO_RESPONSE, -1),
    ]


def test_error_of_the_first_owner_is_raised_if_none_responds():
    with pytest.raises(BackendUnavailable, match="unreachable"):
        merge([(fail(BackendUnavailable("unreachable")), [0])], {1: Refusal.NOT_OWNER}, 2)


def test_other_exceptions_are_raised():
    with pytest.raises(ZeroDivisionError):
        merge([(fail(ZeroDivisionError()), [0]), (respond(11), [1])], {}, 2)


def test_results_without_requests_are_the_missing_refusals():
    assert merge([], {0: Refusal.NOT_OWNER}, 1) == [(Refusal.NOT_OWNER, -1)]

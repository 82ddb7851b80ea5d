import asyncio

import pytest

from common.client.groups.coordinator_retries import CoordinatorRetries
from common.ports.classic_groups import HeartbeatReply
from common.ports.group_errors import GroupRefusal
from common.ports.group_request import GroupRequest
from common.ports.unavailable import BackendUnavailable, CallNotSent, OwnerLost
from tests.support.virtual_time import run_in_virtual_time

IN_DOUBT, NOT_SENT = BackendUnavailable("stream broke"), CallNotSent("not connected")
MOVED = HeartbeatReply(GroupRefusal.NOT_COORDINATOR)
LOADING = HeartbeatReply(GroupRefusal.COORDINATOR_LOAD_IN_PROGRESS)
UNKNOWN_MEMBER = HeartbeatReply(GroupRefusal.UNKNOWN_MEMBER_ID)
DONE = HeartbeatReply()


class Request(GroupRequest):
    def __init__(
        self, *, is_idempotent=True, adapt=lambda reply: reply, waits=False, outlives=False
    ):
        super().__init__("g")
        self._is_idempotent, self.adapt_retried = is_idempotent, adapt
        self.waits_for_members, self.outlives_caller = waits, outlives

    @property
    def is_idempotent(self):
        return self._is_idempotent


class FakeCall:
    """Call whose attempts return or raise `outcomes`, in this order."""

    def __init__(self, *outcomes, hold_s=30.0, **options):
        self.outcomes, self.attempts = list(outcomes), 0
        self.request = Request(**options)
        self.hold_s = hold_s

    async def attempt(self):
        self.attempts += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def result(self, *, by_future=False):
        return asyncio.run(self._result(by_future))

    async def _result(self, by_future):
        retries = CoordinatorRetries(self.hold_s)
        if not by_future:
            return await retries.call(self.request, self.attempt)
        first = asyncio.ensure_future(self.attempt())
        return await retries.follow_up(self.request, self.attempt, first)


def test_call_to_a_lost_coordinator_waits_for_a_short_time_only():
    lost = OwnerLost("no connection")

    async def scenario():
        loop = asyncio.get_running_loop()
        recovered = FakeCall(lost, DONE)
        assert await recovered._result(by_future=True) is DONE
        started = loop.time()
        unreachable = FakeCall(*[lost] * 100)
        with pytest.raises(OwnerLost):
            await unreachable._result(by_future=False)
        assert 1.0 <= loop.time() - started < 2.0

    run_in_virtual_time(scenario())


@pytest.mark.parametrize("by_future", [False, True])
class TestCallAndFollowUp:
    @pytest.mark.parametrize("outcome", [IN_DOUBT, NOT_SENT, MOVED, LOADING])
    def test_idempotent_call_is_retried(self, outcome, by_future):
        call = FakeCall(outcome, outcome, DONE)
        assert call.result(by_future=by_future) is DONE
        assert call.attempts == 3

    def test_call_in_doubt_is_not_retried_unless_idempotent(self, by_future):
        call = FakeCall(MOVED, NOT_SENT, LOADING, IN_DOUBT, DONE, is_idempotent=False)
        with pytest.raises(BackendUnavailable, match="stream broke"):
            call.result(by_future=by_future)
        assert call.attempts == 4

    def test_reply_to_a_retry_in_doubt_is_adapted(self, by_future):
        call = FakeCall(IN_DOUBT, MOVED, UNKNOWN_MEMBER, adapt=lambda _: DONE)
        assert call.result(by_future=by_future) is DONE

    @pytest.mark.parametrize("before", [[], [MOVED], [NOT_SENT]])
    def test_reply_is_not_adapted_without_an_earlier_attempt_in_doubt(self, before, by_future):
        call = FakeCall(*before, UNKNOWN_MEMBER, adapt=lambda _: DONE)
        assert call.result(by_future=by_future) is UNKNOWN_MEMBER


def test_lasting_refusal_is_returned():
    assert FakeCall(MOVED, hold_s=0.0).result() is MOVED
    with pytest.raises(CallNotSent):
        FakeCall(NOT_SENT, hold_s=0.0).result()


async def call_refused_after(seconds, *refusals, by_future=False, **options):
    """Makes a call that the first coordinator refuses after `seconds`, and later ones at once."""
    outcomes = [*refusals, DONE]

    async def attempt():
        if len(outcomes) == len(refusals) + 1:
            await asyncio.sleep(seconds)
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    if by_future:
        first = asyncio.ensure_future(attempt())
        return await CoordinatorRetries(10.0).follow_up(Request(**options), attempt, first)
    return await CoordinatorRetries(10.0).call(Request(**options), attempt)


@pytest.mark.parametrize("by_future", [False, True])
@pytest.mark.parametrize("refusal", [MOVED, IN_DOUBT])
def test_call_that_waited_for_members_is_retried_after_any_wait(refusal, by_future):
    call = call_refused_after(60, refusal, LOADING, LOADING, waits=True, by_future=by_future)
    assert run_in_virtual_time(call) is DONE


def test_call_is_not_retried_after_its_deadline():
    assert run_in_virtual_time(call_refused_after(60, MOVED)) is MOVED


def test_call_that_waits_for_members_has_a_deadline_for_retries():
    refusals = [MOVED] * 1000
    assert run_in_virtual_time(call_refused_after(60, *refusals, waits=True)) is MOVED


@pytest.mark.parametrize("attempts", [1, 3])
def test_cancelled_call_is_not_retried(attempts):
    async def scenario():
        attempted = []

        async def attempt():
            attempted.append(None)
            if len(attempted) == attempts:
                reply.cancel()
            return MOVED

        first = asyncio.ensure_future(attempt())
        reply = CoordinatorRetries(30.0).follow_up(Request(), attempt, first)
        await asyncio.wait([reply])
        await asyncio.sleep(60)
        assert len(attempted) == attempts

    run_in_virtual_time(scenario())


def test_first_attempt_of_a_cancelled_call_is_not_cancelled():
    """Clients commit and then close their connection without waiting for the response."""

    async def scenario():
        first = asyncio.get_running_loop().create_future()
        reply = CoordinatorRetries(30.0).follow_up(
            Request(outlives=True), FakeCall().attempt, first
        )
        reply.cancel()
        await asyncio.sleep(60)
        assert not first.done()

    run_in_virtual_time(scenario())

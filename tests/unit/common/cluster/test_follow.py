import asyncio
import logging

import pytest

from common.cluster.follow import follow
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Member
from common.ports.unavailable import BackendUnavailable, RegistrationRefused
from common.runtime.backoff import Backoff
from tests.contracts.metadata_contract import until

MEMBER = Member("p", "a:1")


def snapshot(revision: int) -> ClusterChange:
    return ClusterChange(revision=revision, cluster_id="c", is_snapshot=True)


def change(revision: int) -> ClusterChange:
    return ClusterChange(revision=revision, cluster_id="c")


class ScriptedWatch:
    """Yields its changes, then ends as scripted: with an error, normally, or never."""

    def __init__(self, script, log):
        self._script = list(script)
        self._log = log

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._script:
            raise StopAsyncIteration
        step = self._script.pop(0)
        if step is FOREVER:
            self._log.append("idle")
            await asyncio.Event().wait()
        if isinstance(step, Exception):
            raise step
        return step

    def acknowledge(self, revision):
        self._log.append(("acknowledged", revision))

    async def close(self):
        self._log.append("closed")


class ScriptedMetadata:
    """Implements `watch` only; each watch follows the next script, the last one repeatedly."""

    def __init__(self, *scripts):
        self._scripts = list(scripts)
        self.log = []
        self.registrations = []

    def watch(self, registration):
        self.registrations.append(registration)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        return ScriptedWatch(script, self.log)


FOREVER = object()


def follow_until_idle(metadata, on_change):
    """Follows until a script says FOREVER, then cancels."""

    async def body():
        async with asyncio.timeout(60):
            task = asyncio.create_task(
                follow(metadata, MEMBER, on_change, backoff=Backoff(0.0, 0.001))
            )
            await until(lambda: "idle" in metadata.log or task.done())
            task.cancel()
            await task

    asyncio.run(body())


def test_each_change_is_applied_then_acknowledged_in_order():
    metadata = ScriptedMetadata([snapshot(1), change(2), change(3), FOREVER])

    def on_change(cluster_change):
        metadata.log.append(("applied", cluster_change.revision))

    with pytest.raises(asyncio.CancelledError):
        follow_until_idle(metadata, on_change)
    assert metadata.log == [
        ("applied", 1),
        ("acknowledged", 1),
        ("applied", 2),
        ("acknowledged", 2),
        ("applied", 3),
        ("acknowledged", 3),
        "idle",
        "closed",
    ]


def test_a_change_that_takes_time_is_acknowledged_when_it_is_done():
    metadata = ScriptedMetadata([snapshot(1), FOREVER])

    async def on_change(cluster_change):
        await asyncio.sleep(0)
        metadata.log.append(("applied", cluster_change.revision))

    with pytest.raises(asyncio.CancelledError):
        follow_until_idle(metadata, on_change)
    assert metadata.log[:2] == [("applied", 1), ("acknowledged", 1)]


def test_the_apply_method_of_a_view_can_be_the_callback():
    view = ClusterView()
    with pytest.raises(asyncio.CancelledError):
        follow_until_idle(ScriptedMetadata([snapshot(1), change(2), FOREVER]), view.apply)
    assert view.revision == 2


@pytest.mark.parametrize(
    "end", [[BackendUnavailable("unreachable")], []], ids=["a broken watch", "a watch that ends"]
)
def test_a_lost_watch_is_closed_and_replaced_with_the_same_registration(end):
    metadata = ScriptedMetadata(
        [snapshot(1), *end],
        end,
        [snapshot(5), FOREVER],
    )
    with pytest.raises(asyncio.CancelledError):
        follow_until_idle(metadata, lambda _: None)
    assert metadata.log == [
        ("acknowledged", 1),
        "closed",
        "closed",
        ("acknowledged", 5),
        "idle",
        "closed",
    ]
    assert metadata.registrations == [MEMBER] * 3


def test_an_exception_while_applying_a_change_is_raised_and_the_change_not_acknowledged():
    metadata = ScriptedMetadata([snapshot(1), change(2), FOREVER])

    def on_change(cluster_change):
        if cluster_change.revision == 2:
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        follow_until_idle(metadata, on_change)
    assert metadata.log == [("acknowledged", 1), "closed"]


def test_an_outage_has_one_line_at_its_beginning_and_one_at_its_end(caplog):
    down = [BackendUnavailable("no response")]
    metadata = ScriptedMetadata([snapshot(1), *down], down, down, down, [snapshot(2), FOREVER])
    caplog.set_level(logging.INFO)
    with pytest.raises(asyncio.CancelledError):
        follow_until_idle(metadata, lambda _: None)
    assert [record.getMessage() for record in caplog.records] == [
        "metadata service lost: no response",
        "metadata service is back, revision 2",
    ]


def test_a_long_outage_is_logged_again_with_advice(caplog, monkeypatch):
    monkeypatch.setattr("common.cluster.follow._REMIND_S", 0.0)
    down = [BackendUnavailable("no response")]
    metadata = ScriptedMetadata(down, down, [snapshot(1), FOREVER])
    with pytest.raises(asyncio.CancelledError):
        follow_until_idle(metadata, lambda _: None)
    first, second = (record.getMessage() for record in caplog.records)
    assert first == "metadata service lost: no response"
    assert second.startswith("metadata service still lost: no response (check its log")


class EnoughPauses(Exception):
    pass


def pauses_ms(monkeypatch, metadata, *, count: int, watch_lasts_s: float = 0.0):
    """Returns the first `count` pauses between attempts; only watches advance the clock."""
    pauses, now = [], 0.0

    async def sleep(seconds):
        pauses.append(round(seconds * 1000))
        if len(pauses) == count:
            raise EnoughPauses

    def on_change(cluster_change):
        pass

    async def body():
        loop = asyncio.get_running_loop()
        follower = follow(metadata, MEMBER, on_change, backoff=Backoff(0.1, 1.0))
        with monkeypatch.context() as patch:
            patch.setattr("common.cluster.follow.asyncio.sleep", sleep)
            patch.setattr(loop, "time", clock)
            with pytest.raises(EnoughPauses):
                await follower

    def clock():
        nonlocal now
        now += watch_lasts_s
        return now

    asyncio.run(body())
    return pauses


def test_delays_grow_up_to_their_limit_during_an_outage(monkeypatch):
    metadata = ScriptedMetadata([BackendUnavailable("no")])
    assert pauses_ms(monkeypatch, metadata, count=6) == [100, 200, 400, 800, 1000, 1000]


def test_delays_are_reset_after_a_watch_that_lasted(monkeypatch):
    metadata = ScriptedMetadata([BackendUnavailable("no")], [], [snapshot(1)], [])
    pauses = pauses_ms(monkeypatch, metadata, count=4, watch_lasts_s=5)
    assert pauses == [100, 200, 100, 200]


def test_delays_grow_while_two_processes_take_over_one_registration(monkeypatch):
    metadata = ScriptedMetadata([snapshot(1), BackendUnavailable("taken over")])
    assert pauses_ms(monkeypatch, metadata, count=5) == [100, 200, 400, 800, 1000]


def test_each_watch_is_passed_to_the_callback_before_its_first_change():
    metadata = ScriptedMetadata([snapshot(1), BackendUnavailable("lost")], [snapshot(2), FOREVER])
    events = []

    async def body():
        async with asyncio.timeout(60):
            follower = follow(
                metadata,
                MEMBER,
                lambda cluster_change: events.append(cluster_change.revision),
                on_watch=events.append,
                backoff=Backoff(0.0, 0.001),
            )
            task = asyncio.create_task(follower)
            await until(lambda: "idle" in metadata.log)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(body())
    first_watch, first_revision, second_watch, second_revision = events
    assert (first_revision, second_revision) == (1, 2)
    assert isinstance(first_watch, ScriptedWatch)
    assert isinstance(second_watch, ScriptedWatch)
    assert first_watch is not second_watch


def test_a_refused_registration_is_not_retried():
    metadata = ScriptedMetadata([RegistrationRefused("the volume is another's")])
    with pytest.raises(RegistrationRefused, match="another's"):
        asyncio.run(follow(metadata, MEMBER, lambda _: None))
    assert len(metadata.registrations) == 1

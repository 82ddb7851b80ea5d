"""Moves during which connections between members, or calls to the metadata service, are lost.

The members are real, in this process, and connect over TCP through a proxy that cuts connections;
of each call to the metadata service the request or the reply can be lost.
"""

import asyncio
import random

import pytest

from common.ports.metadata import Member
from common.ports.moves import MovePhase
from common.ports.unavailable import BackendUnavailable
from tests.support.moves.members import SOURCE, TARGET, NotifyingRing, Producer, moving_members
from tests.support.processes.proxy import Proxy
from tests.support.stores.partition_core import LOG, append, batch
from tests.unit.partition_svc.moves.test_runner import (
    assert_all_stored,
    heads,
    run,
    wait_until_moved,
)


class LossyRing(NotifyingRing):
    """Loses one call at each step in `losses`: the request, or the reply."""

    def __init__(self, losses):
        super().__init__()
        self._losses = dict(losses)

    async def advance_move(self, move_id, phase, *, process=None):
        lost = self._losses.pop(phase, None)
        if lost == "request":
            raise BackendUnavailable("the request was lost")
        move = await super().advance_move(move_id, phase, process=process)
        if lost == "reply":
            raise BackendUnavailable("the reply was lost")
        return move

    async def end_move(self, move_id, *, process=None):
        lost = self._losses.pop("end", None)
        if lost != "request":
            await super().end_move(move_id, process=process)
        if lost is not None:
            raise BackendUnavailable(f"the {lost} was lost")


async def move_under_load(ring, members, producers):
    """Moves the log of `ring` while producers send, and awaits their appends to the target."""
    sending = [asyncio.create_task(producer.send_for_ever()) for producer in producers]
    ring.begin()
    await wait_until_moved(ring)
    for producer in producers:
        count = len(producer.acknowledged)
        while len(producer.acknowledged) < count + 3:  # noqa: ASYNC110 - there is no notification
            await asyncio.sleep(0.001)
    for task in sending:
        task.cancel()
    await asyncio.wait(sending)
    source, target = members
    await assert_all_stored(target.core, *producers)
    assert not heads(source)


@pytest.mark.parametrize("seed", range(3))
def test_a_move_survives_cuts_between_its_members(tmp_path, seed):
    rng, cuts = random.Random(seed), []

    def cut(_):
        if len(cuts) < 8 and rng.random() < 0.2:
            cuts.append(1)
            return True
        return False

    async def test():
        ring, proxy = NotifyingRing(), Proxy()
        proxy.must_cut = cut
        try:
            async with moving_members(tmp_path, ring) as members:
                producers = [Producer(ring, members, producer_id=n) for n in range(3)]
                for _ in range(100):
                    await asyncio.gather(*(producer.send() for producer in producers))
                proxy.target = ring.members[SOURCE].address
                ring.join(Member(SOURCE, proxy.address), ring.listeners[SOURCE])
                await move_under_load(ring, members, producers)
        finally:
            await asyncio.to_thread(proxy.close)
        assert cuts, "no connection was cut, so the test has shown nothing"

    run(test)


@pytest.mark.parametrize("lost", ["request", "reply"])
@pytest.mark.parametrize("step", [*list(MovePhase)[1:], "end"], ids=str)
def test_a_move_survives_the_loss_of_a_call_to_the_metadata_service(tmp_path, step, lost):
    async def test():
        ring = LossyRing({step: lost})
        async with moving_members(tmp_path, ring) as members:
            producers = [Producer(ring, members, producer_id=n) for n in range(3)]
            await asyncio.gather(*(producer.send() for producer in producers))
            await move_under_load(ring, members, producers)
            assert not ring._losses

    run(test)


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_target_without_the_metadata_service_does_not_serve_before_it_sees_the_commit(
    tmp_path, lost
):
    """Its watch and its call are cut off at COMMIT."""

    async def test():
        ring = LossyRing({MovePhase.COMMIT: lost})
        async with moving_members(tmp_path, ring) as (source, target):
            await append(source.core, batch())
            listener = ring.listeners[TARGET]
            missed = []
            ring.listeners[TARGET] = missed.append
            listener(ring.snapshot())
            ring.begin()
            listener(ring.snapshot())
            while ring.placement().owner != TARGET:
                assert target.core.serving_epoch(LOG) is None
                await asyncio.sleep(0.001)
            ring.listeners[TARGET] = listener
            listener(ring.snapshot())
            await wait_until_moved(ring)

    run(test)

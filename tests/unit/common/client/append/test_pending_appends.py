"""Appends while partitions move: real streams over model owners, in virtual time."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from common.ports.metadata import Placement
from common.ports.partitions import LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from tests.support.virtual_time import run_in_virtual_time
from tests.unit.common.client.model_owners import (
    DELAY_S_MAX,
    NAMES,
    TOPIC_ID,
    ModelCluster,
)
from tests.unit.common.client.model_producers import ModelProducer, batch_of

HOLD_S = 10.0
LOG = LogId(TOPIC_ID, 0)
PARTITIONS = 3


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def numbers(batches: list[bytes]) -> list[int]:
    return [int.from_bytes(batch, "big") for batch in batches]


class OrderChecker:
    """Appends growing numbers and records the outcome of each."""

    def __init__(self, cluster: ModelCluster) -> None:
        self.cluster = cluster
        self.next = 0
        self.durations_s: list[float] = []
        self.stored: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}
        self.refused: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}
        self._waiting: list[asyncio.Task[None]] = []

    async def produce(self, count: int) -> None:
        random = self.cluster.random
        for _ in range(count):
            partitions = random.sample(range(PARTITIONS), random.choice((1, 1, 1, 2, 3)))
            # It does not wait for responses, like a client with several requests in flight.
            self._waiting.append(asyncio.create_task(self._append(partitions)))
            await self.cluster.delay()

    async def finish(self) -> None:
        await asyncio.gather(*self._waiting)

    async def _append(self, partitions: list[int]) -> None:
        loop = asyncio.get_running_loop()
        value, started = self.next, loop.time()
        self.next += 1
        try:
            results = await self.cluster.append(number(value), *partitions)
        except BackendUnavailable:
            return
        finally:
            self.durations_s.append(loop.time() - started)
        for partition, result in zip(partitions, results, strict=True):
            if result.refusal is None:
                self.stored[partition].append(value)
            elif result.refusal is not Refusal.NO_RESPONSE:
                self.refused[partition].append(value)

    def check(self) -> None:
        for partition in range(PARTITIONS):
            stored = numbers(self.cluster.stored[LogId(TOPIC_ID, partition)])
            assert stored == sorted(set(stored)), "out of order or duplicate"
            assert set(self.stored[partition]) <= set(stored), "acknowledged but not stored"
            assert not set(self.refused[partition]) & set(stored), "refused but stored"


def simulate(seed: int, *, restarts: bool = False, **options: float) -> OrderChecker:
    async def scenario() -> OrderChecker:
        cluster = ModelCluster(seed, partitions=PARTITIONS, **{"hold_s": HOLD_S, **options})
        checker = OrderChecker(cluster)
        producing = asyncio.create_task(checker.produce(150))
        while not producing.done():
            if restarts and cluster.random.random() < 0.3:
                await cluster.restart(cluster.random.choice(NAMES))
            else:
                partitions = cluster.random.sample(range(PARTITIONS), cluster.random.randint(1, 2))
                await asyncio.gather(*map(cluster.move, partitions))
            await cluster.delay(4 * DELAY_S_MAX)
        await producing
        await checker.finish()
        await cluster.gateway.close()
        return checker

    return run_in_virtual_time(scenario())


@pytest.mark.parametrize("first_seed", range(0, 60, 20))
def test_moves_store_every_append_once_in_the_order_of_the_calls(first_seed):
    for seed in range(first_seed, first_seed + 20):
        checker = simulate(seed)
        checker.check()
        assert not any(checker.refused.values()), f"seed {seed}"
        assert sum(map(len, checker.stored.values())) > 150, f"seed {seed}"
        assert sum(owner.refused for owner in checker.cluster.owners.values()) > 0, f"seed {seed}"
        assert max(checker.durations_s) < HOLD_S, f"seed {seed}"


@pytest.mark.parametrize("first_seed", range(1000, 1060, 20))
def test_restarts_of_owners_neither_reorder_nor_duplicate_appends(first_seed):
    for seed in range(first_seed, first_seed + 20):
        checker = simulate(seed, restarts=True)
        checker.check()
        assert max(checker.durations_s) < HOLD_S + 1, f"seed {seed}"


@pytest.mark.parametrize("first_seed", range(2000, 2040, 20))
def test_deadlines_keep_the_order_of_appends(first_seed):
    hold_s = 1.0
    refused = 0
    for seed in range(first_seed, first_seed + 20):
        checker = simulate(seed, hold_s=hold_s, fence_s_max=3.0)
        checker.check()
        refused += sum(map(len, checker.refused.values()))
        # One round trip to an owner, the wait, and another round trip.
        assert max(checker.durations_s) <= hold_s + 10 * DELAY_S_MAX, f"seed {seed}"
    assert refused > 0


async def disturb(
    cluster: ModelCluster, producers: list[ModelProducer], *, until: asyncio.Future[Any]
) -> None:
    """Moves partitions and kills owners, mostly at once; producers change gateways."""
    random = cluster.random
    while not until.done():
        events = [
            cluster.move(partition) for partition in range(PARTITIONS) if random.random() < 0.6
        ]
        events += [cluster.restart(name) for name in NAMES if random.random() < 0.5]
        await asyncio.gather(*events)
        if len(cluster.gateways) > 1:
            for producer in producers:
                if random.random() < 0.5:
                    producer.reconnect()
        await cluster.delay(4 * DELAY_S_MAX)


def simulate_idempotent_producers(
    seed: int, *, gateways: int = 1
) -> tuple[ModelCluster, list[ModelProducer]]:
    async def scenario() -> tuple[ModelCluster, list[ModelProducer]]:
        cluster = ModelCluster(seed, partitions=PARTITIONS, hold_s=HOLD_S, gateways=gateways)
        producers = [ModelProducer(cluster, 70 + n, n % PARTITIONS, 60) for n in range(4)]
        producing = asyncio.gather(*(producer.run() for producer in producers))
        disturbing = asyncio.create_task(disturb(cluster, producers, until=producing))
        async with asyncio.timeout(600):
            await producing
        await disturbing
        await cluster.close()
        return cluster, producers

    return run_in_virtual_time(scenario())


@pytest.mark.parametrize("gateways", [1, 2])
@pytest.mark.parametrize("first_seed", [3000, 3020])
def test_idempotent_producer_needs_no_new_epoch_after_owners_die(first_seed, gateways):
    for seed in range(first_seed, first_seed + 20):
        cluster, producers = simulate_idempotent_producers(seed, gateways=gateways)
        for producer in producers:
            assert not producer.violations, f"seed {seed}"
            stored = cluster.stored[LogId(TOPIC_ID, producer.partition)]
            own = [batch for batch in stored if batch in set(producer.batches)]
            assert own == producer.batches, f"seed {seed}"
            for sequence, offset in producer.acknowledged.items():
                assert stored[offset] == producer.batches[sequence // 2], f"seed {seed}"


def test_pending_appends_fail_with_the_lost_ones_of_their_producer_only():
    async def scenario() -> None:
        cluster = ModelCluster(1)
        await cluster.append(batch_of(7, 0))
        await cluster.append(batch_of(8, 0))
        # The owner receives an append and never responds; then the fence begins.
        owner = cluster.owners[cluster.placements[0].owner]
        owner.is_mute = True
        lost = cluster.append(batch_of(7, 1))
        await asyncio.sleep(1)
        cluster.apply(moves=[cluster.fence(0)])
        pending = cluster.append(batch_of(7, 2))
        other = cluster.append(batch_of(8, 1))
        await cluster.restart(cluster.placements[0].owner)
        with pytest.raises(BackendUnavailable):
            await lost
        assert (await pending)[0].refusal is Refusal.NOT_OWNER
        assert not other.done()
        # An append that is sent before the producer gets the error fails too.
        assert (await cluster.append(batch_of(7, 3)))[0].refusal is Refusal.NOT_OWNER
        await cluster.gateway.close()

    run(scenario())


def test_appends_without_producer_ids_fail_with_lost_ones_too():
    async def scenario() -> None:
        cluster = ModelCluster(1)
        await cluster.append(number(0))
        owner = cluster.owners[cluster.placements[0].owner]
        owner.is_mute = True
        lost = cluster.append(number(1))
        await asyncio.sleep(1)
        cluster.apply(moves=[cluster.fence(0)])
        pending = cluster.append(number(2))
        await cluster.restart(cluster.placements[0].owner)
        with pytest.raises(BackendUnavailable):
            await lost
        assert (await pending)[0].refusal is Refusal.NOT_OWNER
        await cluster.gateway.close()

    run(scenario())


def test_appends_to_a_lost_owner_are_refused_at_once_and_in_sequence_later():
    async def scenario() -> None:
        cluster = ModelCluster(1)
        loop = asyncio.get_running_loop()
        owner = cluster.owners[cluster.placements[0].owner]
        owner.is_lost = True
        started = loop.time()
        for batch in (batch_of(7, 0), batch_of(7, 1), number(9)):
            (result,) = await cluster.append(batch)
            assert result.refusal is Refusal.NOT_OWNER
        assert loop.time() == started
        owner.is_lost = False
        # The client had it in flight when the first was refused.
        assert (await cluster.append(batch_of(7, 2)))[0].refusal is Refusal.NOT_OWNER
        for sequence in (0, 1, 2):
            assert (await cluster.append(batch_of(7, sequence)))[0].base_offset == sequence
        await cluster.gateway.close()

    run(scenario())


def test_fence_buffers_appends_though_the_source_is_lost():
    async def scenario() -> None:
        cluster = ModelCluster(1)
        before = cluster.placements[0]
        move = cluster.fence(0)
        cluster.apply(moves=[move])
        cluster.owners[before.owner].is_lost = True
        pending = cluster.append(number(1))
        await asyncio.sleep(1)
        assert not pending.done()
        cluster.place(0, Placement(move.target, before.leader_epoch + 1))
        cluster.apply_placements()
        assert (await pending)[0].refusal is None
        await cluster.gateway.close()

    run(scenario())


def run(scenario: Coroutine[Any, Any, None]) -> None:
    run_in_virtual_time(scenario)


def test_fenced_log_sends_nothing_until_it_has_moved():
    async def scenario() -> None:
        cluster = ModelCluster(1)
        await cluster.append(number(0))
        before = cluster.placements[0]
        move = cluster.fence(0)
        cluster.apply(moves=[move])
        pending = [cluster.append(number(n)) for n in (1, 2, 3)]
        await asyncio.sleep(5)
        assert not any(append.done() for append in pending)
        assert not any(owner.refused for owner in cluster.owners.values())
        cluster.place(0, Placement(move.target, before.leader_epoch + 1))
        cluster.apply_placements()
        results = [result for append in pending for result in await append]
        assert [(result.refusal, result.base_offset) for result in results] == [
            (None, 1),
            (None, 2),
            (None, 3),
        ]
        await cluster.gateway.close()

    run(scenario())


def test_other_logs_are_not_buffered():
    async def scenario() -> None:
        cluster = ModelCluster(1)
        cluster.apply(moves=[cluster.fence(0)])
        pending = cluster.append(number(1), 0)
        (result,) = await cluster.append(number(1), 1)
        assert result.refusal is None
        assert not pending.done()
        await cluster.gateway.close()
        with pytest.raises(BackendUnavailable, match="stopping"):
            await pending

    run(scenario())


def test_pending_appends_are_refused_at_their_deadline(caplog):
    async def scenario() -> None:
        cluster = ModelCluster(1, hold_s=HOLD_S)
        cluster.fence(0)
        loop = asyncio.get_running_loop()
        first = cluster.append(number(1))
        await asyncio.sleep(HOLD_S / 2)
        second = cluster.append(number(2))
        (result,) = await first
        assert HOLD_S <= loop.time() <= HOLD_S + 2 * DELAY_S_MAX
        assert result.refusal in (
            Refusal.NOT_OWNER,
            Refusal.MOVING,
            Refusal.UNKNOWN_TOPIC_OR_PARTITION,
        )
        # It fails with the first, or it could be stored before the first is sent again.
        (result,) = await second
        assert loop.time() <= HOLD_S + 2 * DELAY_S_MAX
        assert result.refusal is not None
        assert not cluster.stored[LOG]
        await cluster.gateway.close()

    run(scenario())
    assert "appends to moving-0 timed out after 10 s without an owner" in caplog.text


def test_hold_time_of_zero_disables_buffering():
    async def scenario() -> None:
        cluster = ModelCluster(1, hold_s=0.0)
        cluster.fence(0)
        (result,) = await cluster.append(number(1))
        assert result.refusal is not None
        assert asyncio.get_running_loop().time() <= 10 * DELAY_S_MAX
        await cluster.gateway.close()

    run(scenario())


def test_pending_bytes_are_bounded():
    async def scenario() -> None:
        cluster = ModelCluster(1, pending_bytes_max=8)
        move = cluster.fence(0)
        cluster.apply(moves=[move])
        pending = [cluster.append(number(n)) for n in (1, 2)]
        (result,) = await cluster.append(number(3))
        assert result.refusal is Refusal.NOT_OWNER
        cluster.place(0, Placement(move.target, 1))
        cluster.apply_placements()
        assert [(await append)[0].refusal for append in pending] == [None, None]
        # The bytes have been released.
        cluster.apply(moves=[cluster.fence(0)])
        pending = [cluster.append(number(n)) for n in (4, 5)]
        await asyncio.sleep(1)
        assert not any(append.done() for append in pending)
        await cluster.gateway.close()

    run(scenario())


def test_pending_appends_to_a_deleted_topic_are_refused():
    async def scenario() -> None:
        cluster = ModelCluster(1)
        cluster.apply(moves=[cluster.fence(0)])
        pending = cluster.append(number(1))
        cluster.apply(deleted_topics=[TOPIC_ID])
        (result,) = await pending
        assert result.refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION
        await cluster.gateway.close()

    run(scenario())


def test_probe_is_repeated_without_a_change_of_the_view():
    async def scenario() -> None:
        cluster = ModelCluster(1)
        owner = cluster.owners[cluster.placements[0].owner]
        epoch = owner.epochs.pop(LOG)
        appends = [cluster.append(number(n)) for n in range(3)]
        await asyncio.sleep(2)
        assert owner.refused > 1
        owner.epochs[LOG] = epoch
        assert [(await append)[0].base_offset for append in appends] == [0, 1, 2]
        await cluster.gateway.close()

    run(scenario())


def test_appends_continue_at_the_source_after_a_rollback():
    async def scenario() -> None:
        cluster = ModelCluster(1)
        await cluster.append(number(0))
        owner, epoch = cluster.placements[0]
        move = cluster.fence(0)
        cluster.apply(moves=[move])
        pending = cluster.append(number(1))
        cluster.place(0, Placement(owner, epoch + 1))
        cluster.apply_placements()
        (result,) = await pending
        assert (result.refusal, result.base_offset) == (None, 1)
        await cluster.gateway.close()

    run(scenario())

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from common.client.partition_client import GrpcPartitions
from common.client.partitions import RoutedPartitions
from common.ports.metadata import Placement, Topic
from common.ports.partitions import (
    ACKS_ALL,
    LATEST_TIMESTAMP,
    Append,
    EpochQuery,
    FetchPartition,
    FetchQuery,
    LogId,
    OffsetQuery,
    Refusal,
)
from common.ports.unavailable import BackendUnavailable
from tests.contracts.partitions_contract import PartitionsContract
from tests.support.stores.partition_core import LOG, batch, batches_of, content, query, topic
from tests.unit.common.client.owner import owner, view_of
from tests.unit.common.client.real_owners import LOGS, real_owners


class TestRoutedPartitions(PartitionsContract):
    @asynccontextmanager
    async def opened(self, folder, *topics):
        async with owner(folder, *topics) as address:
            view = view_of(*topics, partition_0=address)
            partitions = RoutedPartitions(view, GrpcPartitions)
            try:
                yield partitions
            finally:
                await partitions.close()

    @pytest.mark.parametrize(
        ("epoch", "refusal"),
        [(4, Refusal.FENCED_LEADER_EPOCH), (6, Refusal.UNKNOWN_LEADER_EPOCH), (5, None)],
    )
    def test_leader_epoch_of_the_caller_is_checked(self, run, epoch, refusal):
        """Save that of appends, which is ours: clients give none with records."""

        async def test(partitions) -> None:
            (stored,) = await partitions.append([Append(LOG, batch(), epoch)], acks=ACKS_ALL)
            assert stored.refusal is None
            asked = FetchPartition(LOG, 0, 1000, leader_epoch=epoch)
            (fetched,) = await partitions.fetch(FetchQuery([asked], 0, 1, 1000))
            assert (fetched.refusal, fetched.leader_epoch) == (refusal, 5)
            (offset,) = await partitions.list_offsets([OffsetQuery(LOG, -2, epoch)])
            assert offset.refusal is refusal

        run(test, topic(leader_epoch=5))


#: Even partitions belong to the service that runs, odd ones to another.
SPLIT = Topic(
    b"split----------i", "split", tuple(Placement(f"partition-{n % 2}", 0) for n in range(4))
)
HERE, THERE = LogId(SPLIT.topic_id, 0), LogId(SPLIT.topic_id, 1)
NOWHERE = LogId(SPLIT.topic_id, 99)


@asynccontextmanager
async def two_owners(folder, *, second_is_there: bool = True):
    """Routed over two services, each with half of SPLIT."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(owner(folder / "0", SPLIT))
        # The second is a core of the same member name, so its half is placed accordingly.
        flipped = Topic(
            SPLIT.topic_id,
            SPLIT.name,
            tuple(Placement(f"partition-{1 - n % 2}", 0) for n in range(4)),
        )
        second = await stack.enter_async_context(owner(folder / "1", flipped))
        if not second_is_there:
            second = "127.0.0.1:1"
        view = view_of(SPLIT, partition_0=first, partition_1=second)
        partitions = RoutedPartitions(view, GrpcPartitions)
        try:
            yield partitions
        finally:
            await partitions.close()


def run(tmp_path, scenario, **options) -> None:
    for name in ("0", "1"):
        (tmp_path / name).mkdir()

    async def within_limits() -> None:
        async with asyncio.timeout(60), two_owners(tmp_path, **options) as partitions:
            await scenario(partitions)

    asyncio.run(within_limits())


def test_appends_go_to_their_owners_and_results_come_in_order(tmp_path):
    async def scenario(partitions) -> None:
        appends = [Append(log, batch(2)) for log in (THERE, NOWHERE, HERE, THERE)]
        results = await partitions.append(appends, acks=ACKS_ALL)
        assert [(one.refusal, one.base_offset) for one in results] == [
            (None, 0),
            (Refusal.UNKNOWN_TOPIC_OR_PARTITION, -1),
            (None, 0),
            (None, 2),
        ]

    run(tmp_path, scenario)


def test_appended_batches_are_fetched_from_all_owners(tmp_path):
    async def scenario(partitions) -> None:
        sent = [batch(start=1), batch(start=2)]
        await partitions.append([Append(HERE, sent[0]), Append(THERE, sent[1])], acks=ACKS_ALL)
        results = await partitions.fetch(query((THERE, 0), (HERE, 0)))
        assert [content(batches_of(one)[0]) for one in results] == [
            content(sent[1]),
            content(sent[0]),
        ]

    run(tmp_path, scenario)


def test_a_long_poll_over_two_owners_is_woken_by_either(tmp_path):
    async def each_wakes(partitions) -> None:
        offsets = {HERE: 0, THERE: 0}
        for log in (THERE, HERE, THERE):
            asked = query(*offsets.items(), max_wait_ms=50_000)
            poll = asyncio.create_task(partitions.fetch(asked))
            await partitions.append([Append(log, batch())], acks=ACKS_ALL)
            found = dict(zip(offsets, await poll, strict=True))
            assert [one for one in found if found[one].records] == [log]
            offsets[log] += 1

    run(tmp_path, each_wakes)


def test_offsets_are_listed_by_their_owners(tmp_path):
    async def scenario(partitions) -> None:
        await partitions.append([Append(THERE, batch(5))], acks=ACKS_ALL)
        queries = [OffsetQuery(log, LATEST_TIMESTAMP) for log in (HERE, NOWHERE, THERE)]
        results = await partitions.list_offsets(queries)
        assert [(one.refusal, one.offset) for one in results] == [
            (None, 0),
            (Refusal.UNKNOWN_TOPIC_OR_PARTITION, -1),
            (None, 5),
        ]

    run(tmp_path, scenario)


def test_describe_logs_without_logs_describes_all(tmp_path):
    async def scenario(partitions) -> None:
        described = await partitions.describe_logs([THERE, NOWHERE, HERE])
        assert [one.refusal for one in described] == [
            None,
            Refusal.UNKNOWN_TOPIC_OR_PARTITION,
            None,
        ]
        everything = await partitions.describe_logs([])
        assert sorted(one.log.partition for one in everything) == [0, 1, 2, 3]

    run(tmp_path, scenario)


def test_lost_owner_does_not_affect_the_results_of_the_other(tmp_path):
    async def scenario(partitions) -> None:
        appends = [Append(THERE, batch()), Append(HERE, batch())]
        results = await partitions.append(appends, acks=ACKS_ALL)
        assert [(one.refusal, one.base_offset) for one in results] == [
            (Refusal.NO_RESPONSE, -1),
            (None, 0),
        ]
        fetched = await partitions.fetch(query((THERE, 0), (HERE, 0), max_wait_ms=50_000))
        assert [one.refusal for one in fetched] == [Refusal.NO_RESPONSE, None]
        assert batches_of(fetched[1])
        offsets = await partitions.list_offsets([OffsetQuery(log, -1) for log in (THERE, HERE)])
        assert [(one.refusal, one.offset) for one in offsets] == [
            (Refusal.NO_RESPONSE, -1),
            (None, 1),
        ]
        assert len(await partitions.describe_logs([])) == 2

    run(tmp_path, scenario, second_is_there=False)


def test_only_owner_that_is_lost_is_unavailable(tmp_path):
    async def scenario(partitions) -> None:
        with pytest.raises(BackendUnavailable):
            await partitions.append([Append(THERE, batch())], acks=ACKS_ALL)
        # The append has shown that there is no connection.
        (fetched,) = await partitions.fetch(query((THERE, 0)))
        assert fetched.refusal is Refusal.NO_RESPONSE
        with pytest.raises(BackendUnavailable):
            await partitions.list_offsets([OffsetQuery(THERE, -1)])

    run(tmp_path, scenario, second_is_there=False)


def test_unknown_owner_refuses_its_logs():
    async def scenario() -> None:
        view = view_of(topic(owner="partition-7"))
        partitions = RoutedPartitions(view, GrpcPartitions)
        log = LogId(topic().topic_id, 0)
        (result,) = await partitions.append([Append(log, batch())], acks=ACKS_ALL)
        assert result.refusal is Refusal.NOT_OWNER
        (fetched,) = await partitions.fetch(query((log, 0), max_wait_ms=50_000))
        assert fetched.refusal is Refusal.NOT_OWNER
        await partitions.close()

    asyncio.run(scenario())


# Partitions that change their owner.


def run_over_real_owners(folder, scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60), real_owners(folder) as owners:
            await scenario(owners, owners.gateway)

    asyncio.run(within_limits())


def appended(partitions, *numbers: int) -> list:
    """One call for each number, none waited for."""
    return [
        partitions.append([Append(LOGS[0], batch(start=one))], acks=ACKS_ALL) for one in numbers
    ]


def test_appends_follow_their_log_to_its_new_owner_in_order(tmp_path):
    async def scenario(owners, partitions) -> None:
        await asyncio.gather(*appended(partitions, 0))
        owners.place(0, "partition-1")
        owners.apply_to_member("partition-0")
        on_their_way = appended(partitions, 1, 2, 3)
        # The old owner refuses them; the new one and the gateway have yet to hear.
        await partitions.list_offsets([OffsetQuery(LOGS[1], LATEST_TIMESTAMP)])
        later = appended(partitions, 4, 5)
        owners.apply_to_gateway()
        last = appended(partitions, 6)
        owners.apply_to_member("partition-1")
        results = [one for (one,) in await asyncio.gather(*on_their_way, *later, *last)]
        assert [(one.refusal, one.base_offset) for one in results] == [
            (None, offset) for offset in range(6)
        ]
        found = await owners.cores["partition-1"].fetch(query((LOGS[0], 0)))
        assert [content(one) for one in batches_of(found[0])] == [
            content(batch(start=one)) for one in range(1, 7)
        ]

    run_over_real_owners(tmp_path, scenario)


def test_long_poll_continues_at_the_next_owner(tmp_path):
    async def scenario(owners, partitions) -> None:
        asked = query((LOGS[0], 0), max_wait_ms=50_000)
        poll = asyncio.create_task(partitions.fetch(asked))
        await partitions.list_offsets([OffsetQuery(LOGS[0], LATEST_TIMESTAMP)])
        owners.place(0, "partition-1")
        owners.apply_to_member("partition-0")
        owners.apply_to_gateway()
        owners.apply_to_member("partition-1")
        await asyncio.gather(*appended(partitions, 7))
        (found,) = await poll
        assert (found.refusal, found.leader_epoch) == (None, 1)
        assert [content(one) for one in batches_of(found)] == [content(batch(start=7))]

    run_over_real_owners(tmp_path, scenario)


def test_queries_wait_for_the_new_owner(tmp_path):
    async def scenario(owners, partitions) -> None:
        owners.place(0, "partition-1")
        owners.apply_to_member("partition-0")
        asked = [
            asyncio.create_task(partitions.list_offsets([OffsetQuery(LOGS[0], -1)])),
            asyncio.create_task(partitions.epoch_end_offsets([EpochQuery(LOGS[0], 1)])),
            asyncio.create_task(
                partitions.fetch(query((LOGS[0], 0), max_wait_ms=50_000, min_bytes=0))
            ),
        ]
        await partitions.list_offsets([OffsetQuery(LOGS[1], LATEST_TIMESTAMP)])
        assert not any(one.done() for one in asked)
        owners.apply_to_gateway()
        owners.apply_to_member("partition-1")
        assert [one.refusal for (one,) in await asyncio.gather(*asked)] == [None, None, None]

    run_over_real_owners(tmp_path, scenario)


def test_client_with_an_older_or_newer_epoch_is_refused(tmp_path):
    async def scenario(owners, partitions) -> None:
        owners.place(0, "partition-1")
        for name in owners.cores:
            owners.apply_to_member(name)
        owners.apply_to_gateway()
        for epoch, refusal in (
            (0, Refusal.FENCED_LEADER_EPOCH),
            (1, None),
            (2, Refusal.UNKNOWN_LEADER_EPOCH),
        ):
            asked = FetchPartition(LOGS[0], 0, 1000, epoch)
            (fetched,) = await partitions.fetch(FetchQuery([asked], 50_000, 0, 1000))
            (offset,) = await partitions.list_offsets([OffsetQuery(LOGS[0], -1, epoch)])
            (ends,) = await partitions.epoch_end_offsets([EpochQuery(LOGS[0], 1, epoch)])
            assert fetched.refusal is offset.refusal is ends.refusal is refusal

    run_over_real_owners(tmp_path, scenario)


def test_member_that_restarts_at_another_address_is_found(tmp_path):
    async def scenario(owners, partitions) -> None:
        await asyncio.gather(*appended(partitions, 0))
        await owners.stop("partition-0")
        (outcome,) = await asyncio.gather(*appended(partitions, 1), return_exceptions=True)
        # Lost on its way, or refused because there is no connection any more.
        if not isinstance(outcome, BackendUnavailable):
            assert [result.refusal for result in outcome] == [Refusal.NOT_OWNER]
        owners.apply_to_gateway(await owners.start("partition-0"))
        (results,) = await asyncio.gather(*appended(partitions, 2))
        assert [(one.refusal, one.base_offset) for one in results] == [(None, 1)]
        (found,) = await partitions.fetch(query((LOGS[0], 0)))
        assert len(batches_of(found)) == 2

    run_over_real_owners(tmp_path, scenario)

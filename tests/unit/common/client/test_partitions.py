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
from tests.unit.common.client.owner import run_owner, view_of
from tests.unit.common.client.real_owners import LOGS, run_real_owners


class TestRoutedPartitions(PartitionsContract):
    @asynccontextmanager
    async def opened(self, folder, *topics):
        async with run_owner(folder, *topics) as address:
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
        """Except that of appends, which the gateway sets: Produce requests have none."""

        async def test(partitions) -> None:
            (stored,) = await partitions.append([Append(LOG, batch(), epoch)], acks=ACKS_ALL)
            assert stored.refusal is None
            fetch_partition = FetchPartition(LOG, 0, 1000, leader_epoch=epoch)
            (fetched,) = await partitions.fetch(FetchQuery([fetch_partition], 0, 1, 1000))
            assert (fetched.refusal, fetched.leader_epoch) == (refusal, 5)
            (offset,) = await partitions.list_offsets([OffsetQuery(LOG, -2, epoch)])
            assert offset.refusal is refusal

        run(test, topic(leader_epoch=5))


#: Even partitions belong to the first service, odd ones to the second.
SPLIT = Topic(
    b"split----------i", "split", tuple(Placement(f"partition-{n % 2}", 0) for n in range(4))
)
ON_FIRST, ON_SECOND = LogId(SPLIT.topic_id, 0), LogId(SPLIT.topic_id, 1)
UNKNOWN_LOG = LogId(SPLIT.topic_id, 99)


@asynccontextmanager
async def two_owners(folder, *, second_runs: bool = True):
    """Runs two services, each with half of SPLIT; yields a `RoutedPartitions` over both."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(run_owner(folder / "0", SPLIT))
        # The second service has the same member name, so its topic has the owners exchanged.
        flipped = Topic(
            SPLIT.topic_id,
            SPLIT.name,
            tuple(Placement(f"partition-{1 - n % 2}", 0) for n in range(4)),
        )
        second = await stack.enter_async_context(run_owner(folder / "1", flipped))
        if not second_runs:
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
        appends = [Append(log, batch(2)) for log in (ON_SECOND, UNKNOWN_LOG, ON_FIRST, ON_SECOND)]
        results = await partitions.append(appends, acks=ACKS_ALL)
        assert [(result.refusal, result.base_offset) for result in results] == [
            (None, 0),
            (Refusal.UNKNOWN_TOPIC_OR_PARTITION, -1),
            (None, 0),
            (None, 2),
        ]

    run(tmp_path, scenario)


def test_appended_batches_are_fetched_from_all_owners(tmp_path):
    async def scenario(partitions) -> None:
        batches = [batch(start=1), batch(start=2)]
        await partitions.append(
            [Append(ON_FIRST, batches[0]), Append(ON_SECOND, batches[1])], acks=ACKS_ALL
        )
        results = await partitions.fetch(query((ON_SECOND, 0), (ON_FIRST, 0)))
        assert [content(batches_of(result)[0]) for result in results] == [
            content(batches[1]),
            content(batches[0]),
        ]

    run(tmp_path, scenario)


def test_a_long_poll_over_two_owners_is_woken_by_either(tmp_path):
    async def scenario(partitions) -> None:
        offsets = {ON_FIRST: 0, ON_SECOND: 0}
        for log in (ON_SECOND, ON_FIRST, ON_SECOND):
            fetch_query = query(*offsets.items(), max_wait_ms=50_000)
            poll = asyncio.create_task(partitions.fetch(fetch_query))
            await partitions.append([Append(log, batch())], acks=ACKS_ALL)
            fetched = dict(zip(offsets, await poll, strict=True))
            assert [fetched_log for fetched_log in offsets if fetched[fetched_log].records] == [log]
            offsets[log] += 1

    run(tmp_path, scenario)


def test_offsets_are_listed_by_their_owners(tmp_path):
    async def scenario(partitions) -> None:
        await partitions.append([Append(ON_SECOND, batch(5))], acks=ACKS_ALL)
        queries = [OffsetQuery(log, LATEST_TIMESTAMP) for log in (ON_FIRST, UNKNOWN_LOG, ON_SECOND)]
        results = await partitions.list_offsets(queries)
        assert [(result.refusal, result.offset) for result in results] == [
            (None, 0),
            (Refusal.UNKNOWN_TOPIC_OR_PARTITION, -1),
            (None, 5),
        ]

    run(tmp_path, scenario)


def test_describe_logs_without_logs_describes_all(tmp_path):
    async def scenario(partitions) -> None:
        described = await partitions.describe_logs([ON_SECOND, UNKNOWN_LOG, ON_FIRST])
        assert [description.refusal for description in described] == [
            None,
            Refusal.UNKNOWN_TOPIC_OR_PARTITION,
            None,
        ]
        everything = await partitions.describe_logs([])
        assert sorted(description.log.partition for description in everything) == [0, 1, 2, 3]

    run(tmp_path, scenario)


def test_lost_owner_does_not_affect_the_results_of_the_other(tmp_path):
    async def scenario(partitions) -> None:
        appends = [Append(ON_SECOND, batch()), Append(ON_FIRST, batch())]
        results = await partitions.append(appends, acks=ACKS_ALL)
        assert [(result.refusal, result.base_offset) for result in results] == [
            (Refusal.NO_RESPONSE, -1),
            (None, 0),
        ]
        fetched = await partitions.fetch(query((ON_SECOND, 0), (ON_FIRST, 0), max_wait_ms=50_000))
        assert [result.refusal for result in fetched] == [Refusal.NO_RESPONSE, None]
        assert batches_of(fetched[1])
        offsets = await partitions.list_offsets(
            [OffsetQuery(log, -1) for log in (ON_SECOND, ON_FIRST)]
        )
        assert [(result.refusal, result.offset) for result in offsets] == [
            (Refusal.NO_RESPONSE, -1),
            (None, 1),
        ]
        assert len(await partitions.describe_logs([])) == 2

    run(tmp_path, scenario, second_runs=False)


def test_only_owner_that_is_lost_is_unavailable(tmp_path):
    async def scenario(partitions) -> None:
        with pytest.raises(BackendUnavailable):
            await partitions.append([Append(ON_SECOND, batch())], acks=ACKS_ALL)
        # After the append the client knows that there is no connection.
        (fetched,) = await partitions.fetch(query((ON_SECOND, 0)))
        assert fetched.refusal is Refusal.NO_RESPONSE
        with pytest.raises(BackendUnavailable):
            await partitions.list_offsets([OffsetQuery(ON_SECOND, -1)])

    run(tmp_path, scenario, second_runs=False)


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
        async with asyncio.timeout(60), run_real_owners(folder) as owners:
            await scenario(owners, owners.gateway)

    asyncio.run(within_limits())


def start_appends(partitions, *numbers: int) -> list:
    """Starts one append for each number, without waiting for results."""
    return [
        partitions.append([Append(LOGS[0], batch(start=number))], acks=ACKS_ALL)
        for number in numbers
    ]


def test_appends_follow_their_log_to_its_new_owner_in_order(tmp_path):
    async def scenario(owners, partitions) -> None:
        await asyncio.gather(*start_appends(partitions, 0))
        owners.place(0, "partition-1")
        owners.apply_to_member("partition-0")
        in_flight = start_appends(partitions, 1, 2, 3)
        # The old owner refuses them; the new one and the gateway do not know of the move yet.
        await partitions.list_offsets([OffsetQuery(LOGS[1], LATEST_TIMESTAMP)])
        later = start_appends(partitions, 4, 5)
        owners.apply_to_gateway()
        last = start_appends(partitions, 6)
        owners.apply_to_member("partition-1")
        results = [result for (result,) in await asyncio.gather(*in_flight, *later, *last)]
        assert [(result.refusal, result.base_offset) for result in results] == [
            (None, offset) for offset in range(6)
        ]
        fetched = await owners.cores["partition-1"].fetch(query((LOGS[0], 0)))
        assert [content(fetched_batch) for fetched_batch in batches_of(fetched[0])] == [
            content(batch(start=number)) for number in range(1, 7)
        ]

    run_over_real_owners(tmp_path, scenario)


def test_long_poll_continues_at_the_next_owner(tmp_path):
    async def scenario(owners, partitions) -> None:
        fetch_query = query((LOGS[0], 0), max_wait_ms=50_000)
        poll = asyncio.create_task(partitions.fetch(fetch_query))
        await partitions.list_offsets([OffsetQuery(LOGS[0], LATEST_TIMESTAMP)])
        owners.place(0, "partition-1")
        owners.apply_to_member("partition-0")
        owners.apply_to_gateway()
        owners.apply_to_member("partition-1")
        await asyncio.gather(*start_appends(partitions, 7))
        (fetched,) = await poll
        assert (fetched.refusal, fetched.leader_epoch) == (None, 1)
        assert [content(fetched_batch) for fetched_batch in batches_of(fetched)] == [
            content(batch(start=7))
        ]

    run_over_real_owners(tmp_path, scenario)


def test_queries_wait_for_the_new_owner(tmp_path):
    async def scenario(owners, partitions) -> None:
        owners.place(0, "partition-1")
        owners.apply_to_member("partition-0")
        queries = [
            asyncio.create_task(partitions.list_offsets([OffsetQuery(LOGS[0], -1)])),
            asyncio.create_task(partitions.epoch_end_offsets([EpochQuery(LOGS[0], 1)])),
            asyncio.create_task(
                partitions.fetch(query((LOGS[0], 0), max_wait_ms=50_000, min_bytes=0))
            ),
        ]
        await partitions.list_offsets([OffsetQuery(LOGS[1], LATEST_TIMESTAMP)])
        assert not any(query_task.done() for query_task in queries)
        owners.apply_to_gateway()
        owners.apply_to_member("partition-1")
        assert [result.refusal for (result,) in await asyncio.gather(*queries)] == [
            None,
            None,
            None,
        ]

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
            fetch_partition = FetchPartition(LOGS[0], 0, 1000, epoch)
            (fetched,) = await partitions.fetch(FetchQuery([fetch_partition], 50_000, 0, 1000))
            (offset,) = await partitions.list_offsets([OffsetQuery(LOGS[0], -1, epoch)])
            (ends,) = await partitions.epoch_end_offsets([EpochQuery(LOGS[0], 1, epoch)])
            assert fetched.refusal is offset.refusal is ends.refusal is refusal

    run_over_real_owners(tmp_path, scenario)


def test_member_that_restarts_at_another_address_is_found(tmp_path):
    async def scenario(owners, partitions) -> None:
        await asyncio.gather(*start_appends(partitions, 0))
        await owners.stop("partition-0")
        (outcome,) = await asyncio.gather(*start_appends(partitions, 1), return_exceptions=True)
        # Lost in flight, or refused because the connection has ended.
        if not isinstance(outcome, BackendUnavailable):
            assert [result.refusal for result in outcome] == [Refusal.NOT_OWNER]
        owners.apply_to_gateway(await owners.start("partition-0"))
        (results,) = await asyncio.gather(*start_appends(partitions, 2))
        assert [(result.refusal, result.base_offset) for result in results] == [(None, 1)]
        (fetched,) = await partitions.fetch(query((LOGS[0], 0)))
        assert len(batches_of(fetched)) == 2

    run_over_real_owners(tmp_path, scenario)

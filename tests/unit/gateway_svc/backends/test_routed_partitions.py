import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from common.ports.metadata import Placement, Topic
from common.ports.partitions import (
    ACKS_ALL,
    LATEST_TIMESTAMP,
    Append,
    FetchPartition,
    FetchQuery,
    LogId,
    OffsetQuery,
    Refusal,
)
from common.ports.unavailable import BackendUnavailable
from gateway_svc.backends.grpc_partitions import GrpcPartitions
from gateway_svc.backends.owners import Owners
from gateway_svc.backends.routed_partitions import RoutedPartitions
from tests.contracts.partitions_contract import PartitionsContract
from tests.support.partition_core import LOG, batch, batches_of, content, query, topic
from tests.unit.gateway_svc.backends.owner import owner, view_of


class TestRoutedPartitions(PartitionsContract):
    @asynccontextmanager
    async def opened(self, folder, *topics):
        async with owner(folder, *topics) as address:
            view = view_of(*topics, partition_0=address)
            partitions = RoutedPartitions(view, Owners(view, GrpcPartitions))
            try:
                yield partitions
            finally:
                await partitions.close()

    @pytest.mark.parametrize(
        ("epoch", "refusal"),
        [(4, Refusal.FENCED_LEADER_EPOCH), (6, Refusal.UNKNOWN_LEADER_EPOCH), (5, None)],
    )
    def test_the_leader_epoch_of_the_caller_is_checked(self, run, epoch, refusal):
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
        partitions = RoutedPartitions(view, Owners(view, GrpcPartitions))
        try:
            yield partitions
        finally:
            await partitions.close()


def run(tmp_path, story, **options) -> None:
    for name in ("0", "1"):
        (tmp_path / name).mkdir()

    async def within_limits() -> None:
        async with asyncio.timeout(60), two_owners(tmp_path, **options) as partitions:
            await story(partitions)

    asyncio.run(within_limits())


def test_appends_go_to_their_owners_and_results_come_in_order(tmp_path):
    async def story(partitions) -> None:
        appends = [Append(log, batch(2)) for log in (THERE, NOWHERE, HERE, THERE)]
        results = await partitions.append(appends, acks=ACKS_ALL)
        assert [(one.refusal, one.base_offset) for one in results] == [
            (None, 0),
            (Refusal.UNKNOWN_PARTITION, -1),
            (None, 0),
            (None, 2),
        ]

    run(tmp_path, story)


def test_what_is_appended_is_fetched_from_all_owners_together(tmp_path):
    async def story(partitions) -> None:
        sent = [batch(start=1), batch(start=2)]
        await partitions.append([Append(HERE, sent[0]), Append(THERE, sent[1])], acks=ACKS_ALL)
        results = await partitions.fetch(query((THERE, 0), (HERE, 0)))
        assert [content(batches_of(one)[0]) for one in results] == [
            content(sent[1]),
            content(sent[0]),
        ]

    run(tmp_path, story)


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
    async def story(partitions) -> None:
        await partitions.append([Append(THERE, batch(5))], acks=ACKS_ALL)
        queries = [OffsetQuery(log, LATEST_TIMESTAMP) for log in (HERE, NOWHERE, THERE)]
        results = await partitions.list_offsets(queries)
        assert [(one.refusal, one.offset) for one in results] == [
            (None, 0),
            (Refusal.UNKNOWN_PARTITION, -1),
            (None, 5),
        ]

    run(tmp_path, story)


def test_logs_are_described_by_their_owners_all_of_them_where_none_is_named(tmp_path):
    async def story(partitions) -> None:
        described = await partitions.describe_logs([THERE, NOWHERE, HERE])
        assert [one.refusal for one in described] == [None, Refusal.UNKNOWN_PARTITION, None]
        everything = await partitions.describe_logs([])
        assert sorted(one.log.partition for one in everything) == [0, 1, 2, 3]

    run(tmp_path, story)


def test_an_owner_that_is_gone_does_not_take_the_answers_of_the_other_with_it(tmp_path):
    async def story(partitions) -> None:
        appends = [Append(THERE, batch()), Append(HERE, batch())]
        results = await partitions.append(appends, acks=ACKS_ALL)
        assert [(one.refusal, one.base_offset) for one in results] == [
            (Refusal.NO_ANSWER, -1),
            (None, 0),
        ]
        fetched = await partitions.fetch(query((THERE, 0), (HERE, 0), max_wait_ms=50_000))
        assert [one.refusal for one in fetched] == [Refusal.NO_ANSWER, None]
        assert batches_of(fetched[1])
        offsets = await partitions.list_offsets([OffsetQuery(log, -1) for log in (THERE, HERE)])
        assert [(one.refusal, one.offset) for one in offsets] == [
            (Refusal.NO_ANSWER, -1),
            (None, 1),
        ]
        assert len(await partitions.describe_logs([])) == 2

    run(tmp_path, story, second_is_there=False)


def test_an_owner_that_is_gone_and_was_asked_alone_is_unavailable(tmp_path):
    async def story(partitions) -> None:
        with pytest.raises(BackendUnavailable):
            await partitions.append([Append(THERE, batch())], acks=ACKS_ALL)
        with pytest.raises(BackendUnavailable):
            await partitions.fetch(query((THERE, 0)))
        with pytest.raises(BackendUnavailable):
            await partitions.list_offsets([OffsetQuery(THERE, -1)])

    run(tmp_path, story, second_is_there=False)


def test_an_owner_of_whom_nothing_is_known_refuses_what_is_his():
    async def story() -> None:
        view = view_of(topic(owner="partition-7"))
        partitions = RoutedPartitions(view, Owners(view, GrpcPartitions))
        log = LogId(topic().topic_id, 0)
        (result,) = await partitions.append([Append(log, batch())], acks=ACKS_ALL)
        assert result.refusal is Refusal.NOT_OWNER
        (fetched,) = await partitions.fetch(query((log, 0), max_wait_ms=50_000))
        assert fetched.refusal is Refusal.NOT_OWNER
        await partitions.close()

    asyncio.run(story())

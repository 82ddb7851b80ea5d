"""Contract of every `Partitions`. Subclass it and implement `opened`.

Each test has its own event loop, and logs that are empty at first. One generous limit bounds all
waits of a test; no step depends on the speed of the machine.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from common.ports.metadata import Topic
from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
    EARLIEST_TIMESTAMP,
    LATEST_TIMESTAMP,
    MAX_TIMESTAMP,
    Append,
    EpochQuery,
    FetchPartition,
    FetchQuery,
    FetchResult,
    LogId,
    OffsetQuery,
    Partitions,
    Refusal,
    SubmittedAppend,
)
from tests.contracts.validation_contract import ValidationContract
from tests.support.stores.partition_core import (
    LOG,
    TOPIC_ID,
    append,
    append_separately,
    base_offset,
    batch,
    batches_of,
    content,
    fetch,
    query,
    read_everything,
    topic,
)
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record

_TEST_WITHIN_S = 60
_FOREVER_MS = 50_000
UNKNOWN_LOG = LogId(b"no such topic id", 0)
OTHER_LOG = LogId(TOPIC_ID, 1)

Test = Callable[[Partitions], Awaitable[Any]]


class PartitionsContract(ValidationContract):
    @abstractmethod
    def opened(self, folder: Path, *topics: Topic) -> AbstractAsyncContextManager[Partitions]:
        """Logs of `topics`, owned by the member of `support/stores/partition_core.py`."""

    @pytest.fixture
    def run(self, tmp_path):
        def run(test: Test, *topics: Topic) -> Any:
            async def within_limits() -> Any:
                async with asyncio.timeout(_TEST_WITHIN_S), self.opened(tmp_path, *topics) as logs:
                    return await test(logs)

            return asyncio.run(within_limits())

        return run

    # Appending

    @pytest.mark.parametrize("acks", [ACKS_ALL, ACKS_LEADER])
    def test_stored_batch_is_fetched_with_its_offset_and_otherwise_unchanged(self, run, acks):
        async def test(logs: Partitions) -> None:
            sent = [batch(3), batch(2, start=3)]
            results = await append(logs, *sent, acks=acks)
            assert [(result.refusal, result.base_offset) for result in results] == [
                (None, 0),
                (None, 3),
            ]
            assert results[0].log_start_offset == 0
            assert results[0].log_append_time_ms == -1
            read = await read_everything(logs)
            assert [base_offset(stored) for stored in read] == [0, 3]
            assert [content(stored) for stored in read] == list(map(content, sent))

        run(test)

    def test_append_without_acks_is_stored(self, run):
        async def test(logs: Partitions) -> None:
            logs.append([Append(LOG, batch())], acks=ACKS_NONE)
            await append(logs, batch(start=1))
            assert len(await read_everything(logs)) == 2

        run(test)

    def test_appends_are_stored_in_the_order_of_the_calls(self, run):
        async def test(logs: Partitions) -> None:
            sent = [batch(start=number) for number in range(50)]
            results = await append_separately(logs, sent)
            assert [result.base_offset for result in results] == list(range(50))
            assert list(map(content, await read_everything(logs))) == list(map(content, sent))

        run(test)

    def test_single_appends_are_in_order_with_others_and_have_their_own_results(self, run):
        async def test(logs: Partitions) -> None:
            appends, expected, offsets = [], [], count()
            for number in range(60):
                acks = (ACKS_ALL, ACKS_LEADER)[number // 3 % 2]
                if number % 5 == 1:
                    appends.append(logs.append_one(LOG, batch()[:-1], -1, acks=acks))
                    expected.append((Refusal.INVALID_RECORD, -1))
                elif number % 7 == 2:
                    pair = logs.append([Append(LOG, batch())] * 2, acks=acks)
                    appends += [SubmittedAppend(pair, 0), SubmittedAppend(pair, 1)]
                    expected += [(None, next(offsets)), (None, next(offsets))]
                else:
                    appends.append(logs.append_one(LOG, batch(), -1, acks=acks))
                    expected.append((None, next(offsets)))
            results = [(await submitted.future)[submitted.position] for submitted in appends]
            assert [(result.refusal, result.base_offset) for result in results] == expected
            assert len(await read_everything(logs)) == next(offsets)

        run(test)

    def test_append_of_no_batches_completes(self, run):
        async def test(logs: Partitions) -> None:
            assert await logs.append([], acks=ACKS_ALL) == []

        run(test)

    def test_refused_batch_does_not_affect_the_others(self, run):
        async def test(logs: Partitions) -> None:
            appends = [
                Append(LOG, batch()),
                Append(UNKNOWN_LOG, batch()),
                Append(LogId(TOPIC_ID, 99), batch()),
                Append(LOG, batch()[:-1]),
                Append(LOG, batch(start=1)),
            ]
            results = await logs.append(appends, acks=ACKS_ALL)
            assert [result.refusal for result in results] == [
                None,
                Refusal.UNKNOWN_TOPIC_OR_PARTITION,
                Refusal.UNKNOWN_TOPIC_OR_PARTITION,
                Refusal.INVALID_RECORD,
                None,
            ]
            assert [results[0].base_offset, results[4].base_offset] == [0, 1]

        run(test)

    def test_memoryview_is_appended_like_bytes(self, run):
        async def test(logs: Partitions) -> None:
            sent = batch(2)
            frame = bytearray(b"head" + sent + b"tail")
            view = memoryview(frame)[4 : 4 + len(sent)]
            (result,) = await logs.append([Append(LOG, view)], acks=ACKS_ALL)
            # The caller may reuse the buffer after the result.
            frame[:] = bytes(len(frame))
            assert result.refusal is None
            assert [content(stored) for stored in await read_everything(logs)] == [content(sent)]

        run(test)

    def test_partition_of_another_member_is_refused(self, run):
        async def test(logs: Partitions) -> None:
            (result,) = await append(logs, batch())
            assert result.refusal is Refusal.NOT_OWNER
            assert (await fetch(logs)).refusal is Refusal.NOT_OWNER

        run(test, topic(owner="partition-9"))

    @pytest.mark.parametrize(
        ("epoch", "refusal"),
        [(4, Refusal.FENCED_LEADER_EPOCH), (6, Refusal.UNKNOWN_LEADER_EPOCH), (5, None)],
    )
    def test_leader_epoch_of_the_caller_is_checked(self, run, epoch, refusal):
        async def test(logs: Partitions) -> None:
            (result,) = await logs.append([Append(LOG, batch(), epoch)], acks=ACKS_ALL)
            assert result.refusal is refusal
            partition = FetchPartition(LOG, 0, 1000, leader_epoch=epoch)
            (fetched,) = await logs.fetch(FetchQuery([partition], 0, 1, 1000))
            assert (fetched.refusal, fetched.leader_epoch) == (refusal, 5)
            (offset,) = await logs.list_offsets([OffsetQuery(LOG, EARLIEST_TIMESTAMP, epoch)])
            assert offset.refusal is refusal

        run(test, topic(leader_epoch=5))

    def test_stored_batches_have_the_leader_epoch(self, run):
        async def test(logs: Partitions) -> None:
            await append(logs, batch())
            (stored,) = await read_everything(logs)
            assert int.from_bytes(stored[12:16], "big") == 7

        run(test, topic(leader_epoch=7))

    def test_topic_config_sets_log_append_time(self, run):
        async def test(logs: Partitions) -> None:
            (result,) = await append(logs, batch(timestamp_ms=5))
            assert result.log_append_time_ms > 1_700_000_000_000

        run(test, topic(configs={"message.timestamp.type": "LogAppendTime"}))

    def test_batch_larger_than_max_message_bytes_is_refused(self, run):
        async def test(logs: Partitions) -> None:
            results = await append(logs, batch(size=500), batch(size=20))
            assert [result.refusal for result in results] == [Refusal.MESSAGE_TOO_LARGE, None]

        run(test, topic(configs={"max.message.bytes": "400"}))

    # Idempotent producers

    def test_duplicate_batch_gets_the_result_of_the_first(self, run):
        async def test(logs: Partitions) -> None:
            first, second = batch(2, producer=(9, 0, 0)), batch(producer=(9, 0, 2))
            results = await append(logs, first, second, first, second)
            assert [result.base_offset for result in results] == [0, 2, 0, 2]
            assert len(await read_everything(logs)) == 2

        run(test)

    @pytest.mark.parametrize(
        ("producer", "refusal"),
        [
            ((9, 1, 5), Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER),
            ((9, 0, 1), Refusal.INVALID_PRODUCER_EPOCH),
        ],
        ids=["gap", "old epoch"],
    )
    def test_out_of_order_sequence_is_refused(self, run, producer, refusal):
        async def test(logs: Partitions) -> None:
            results = await append(logs, batch(producer=(9, 1, 0)), batch(producer=producer))
            assert [result.refusal for result in results] == [None, refusal]

        run(test)

    # Fetching

    def test_empty_log_responds_at_once_without_a_wait(self, run):
        async def test(logs: Partitions) -> None:
            assert await fetch(logs) == FetchResult([], 0, 0, 0, 0)

        run(test)

    @pytest.mark.parametrize("offset", [-1, 4, 99])
    def test_offset_out_of_range_is_refused_at_once(self, run, offset):
        async def test(logs: Partitions) -> None:
            await append(logs, batch(3))
            (result,) = await logs.fetch(query((LOG, offset), max_wait_ms=_FOREVER_MS))
            assert result.refusal is Refusal.OFFSET_OUT_OF_RANGE
            assert (result.records, result.high_watermark) == ([], -1)

        run(test)

    def test_offset_within_a_batch_returns_the_whole_batch(self, run):
        async def test(logs: Partitions) -> None:
            await append(logs, batch(10), batch(10))
            assert [base_offset(stored) for stored in batches_of(await fetch(logs, 9))] == [0, 10]
            assert [base_offset(stored) for stored in batches_of(await fetch(logs, 10))] == [10]

        run(test)

    def test_first_batch_may_exceed_all_limits_and_later_ones_may_not(self, run):
        async def test(logs: Partitions) -> None:
            await append(logs, batch(), batch())
            await append(logs, batch(), log=OTHER_LOG)
            results = await logs.fetch(query((LOG, 2), (LOG, 0), (OTHER_LOG, 0), max_bytes=1))
            # A log that is listed twice is read at its first position only.
            assert [len(batches_of(result)) for result in results] == [0, 0, 1]
            results = await logs.fetch(query((LOG, 0), (OTHER_LOG, 0), partition_max_bytes=1))
            assert [len(batches_of(result)) for result in results] == [1, 0]

        run(test)

    def test_min_bytes_count_over_all_partitions_together(self, run):
        async def test(logs: Partitions) -> None:
            size = len(batch())
            request = query((LOG, 0), (OTHER_LOG, 0), max_wait_ms=_FOREVER_MS, min_bytes=2 * size)
            waiting = asyncio.ensure_future(logs.fetch(request))
            await append(logs, batch())
            await append(logs, batch(), log=OTHER_LOG)
            assert [len(batches_of(result)) for result in await waiting] == [1, 1]

        run(test)

    def test_long_poll_is_woken_by_any_of_its_partitions(self, run):
        async def test(logs: Partitions) -> None:
            request = query((LOG, 0), (OTHER_LOG, 0), max_wait_ms=_FOREVER_MS)
            waiting = asyncio.ensure_future(logs.fetch(request))
            await append(logs, batch(), log=OTHER_LOG)
            assert [len(batches_of(result)) for result in await waiting] == [0, 1]

        run(test)

    def test_long_poll_ends_after_max_wait_ms(self, run):
        async def test(logs: Partitions) -> None:
            await append(logs, batch())
            request = query((LOG, 0), max_wait_ms=50, min_bytes=1 << 20)
            (result,) = await logs.fetch(request)
            assert len(batches_of(result)) == 1

        run(test)

    def test_refusal_ends_the_wait(self, run):
        async def test(logs: Partitions) -> None:
            results = await logs.fetch(query((LOG, 0), (UNKNOWN_LOG, 0), max_wait_ms=_FOREVER_MS))
            assert [result.refusal for result in results] == [
                None,
                Refusal.UNKNOWN_TOPIC_OR_PARTITION,
            ]

        run(test)

    def test_long_poll_does_not_wait_for_bytes_beyond_max_bytes(self, run):
        async def test(logs: Partitions) -> None:
            small, large = batch(), batch(size=5000)
            await append(logs, small, large)
            request = query(
                (LOG, 0), max_wait_ms=_FOREVER_MS, min_bytes=4000, partition_max_bytes=4500
            )
            (result,) = await logs.fetch(request)
            assert [len(stored) for stored in batches_of(result)] == [len(small)]

        run(test)

    def test_cancelled_poll_affects_no_other(self, run):
        async def test(logs: Partitions) -> None:
            request = query((LOG, 0), max_wait_ms=_FOREVER_MS)
            waiting = [asyncio.ensure_future(logs.fetch(request)) for _ in range(2)]
            await fetch(logs)
            waiting[0].cancel()
            await append(logs, batch())
            (result,) = await waiting[1]
            assert len(batches_of(result)) == 1
            assert waiting[0].cancelled()

        run(test)

    # Offsets by time, and descriptions

    def test_offsets_of_the_ends_and_of_the_largest_timestamp(self, run):
        async def test(logs: Partitions) -> None:
            await append(logs, batch(3, timestamp_ms=1000), batch(2, timestamp_ms=900))
            times = (LATEST_TIMESTAMP, EARLIEST_TIMESTAMP, MAX_TIMESTAMP)
            results = await logs.list_offsets([OffsetQuery(LOG, time) for time in times])
            offsets = [(result.offset, result.timestamp) for result in results]
            assert offsets == [(5, -1), (0, -1), (0, 1000)]

        run(test)

    def test_first_record_of_a_time_is_found_within_its_batch(self, run):
        async def test(logs: Partitions) -> None:
            records = [Record(b"x", timestamp_ms=timestamp) for timestamp in (100, 200, 150, 300)]
            await append(
                logs, record_batch(records, base_timestamp_ms=100), batch(timestamp_ms=400)
            )
            times = [0, 100, 101, 250, 400, 401]
            results = await logs.list_offsets([OffsetQuery(LOG, time) for time in times])
            assert [(result.offset, result.timestamp) for result in results] == [
                (0, 100),
                (0, 100),
                (1, 200),
                (3, 300),
                (4, 400),
                (-1, -1),
            ]
            assert [result.leader_epoch for result in results] == [0, 0, 0, 0, 0, -1]
            assert all(result.refusal is None for result in results)

        run(test)

    def test_queries_without_a_result_are_refused_individually(self, run):
        async def test(logs: Partitions) -> None:
            queries = [(UNKNOWN_LOG, 0), (LOG, -77), (LOG, LATEST_TIMESTAMP)]
            results = await logs.list_offsets([OffsetQuery(log, time) for log, time in queries])
            assert [result.refusal for result in results] == [
                Refusal.UNKNOWN_TOPIC_OR_PARTITION,
                Refusal.UNSUPPORTED_TIMESTAMP,
                None,
            ]

        run(test)

    def test_descriptions_have_the_current_state_of_logs(self, run):
        async def test(logs: Partitions) -> None:
            sent = [batch(3, producer=(5, 0, 0)), batch(1)]
            await append(logs, *sent)
            described, unknown = await logs.describe_logs([LOG, UNKNOWN_LOG])
            assert unknown.refusal is Refusal.UNKNOWN_TOPIC_OR_PARTITION
            assert described.log == LOG
            assert (described.log_start_offset, described.high_watermark) == (0, 4)
            assert described.log_end_offset == 4
            assert described.size_bytes == sum(map(len, sent))
            assert described.producer_count == 1

        run(test)

    # Leader epochs

    def test_end_offset_of_the_current_epoch_is_that_of_the_log(self, run):
        async def test(logs: Partitions) -> None:
            await append(logs, batch(3))
            epochs = [(5, -1), (4, 5), (6, -1), (5, 4), (5, 6)]
            results = await logs.epoch_end_offsets([EpochQuery(LOG, *epoch) for epoch in epochs])
            assert [(result.leader_epoch, result.end_offset) for result in results] == [
                (5, 3),
                (4, 0),
                (-1, -1),
                (-1, -1),
                (-1, -1),
            ]
            assert [result.refusal for result in results] == [
                None,
                None,
                None,
                Refusal.FENCED_LEADER_EPOCH,
                Refusal.UNKNOWN_LEADER_EPOCH,
            ]

        run(test, topic(leader_epoch=5))

    def test_epochs_of_an_unknown_partition_are_refused(self, run):
        async def test(logs: Partitions) -> None:
            results = await logs.epoch_end_offsets([EpochQuery(UNKNOWN_LOG, 0), EpochQuery(LOG, 0)])
            refusals = [result.refusal for result in results]
            assert refusals == [Refusal.UNKNOWN_TOPIC_OR_PARTITION, None]

        run(test)

    # Many at once

    def test_400_concurrent_batches_get_offsets_of_their_own(self, run):
        async def test(logs: Partitions) -> None:
            replies = [logs.append([Append(LOG, batch(10))], acks=ACKS_ALL) for _ in range(400)]
            results = [reply[0] for reply in await asyncio.gather(*replies)]
            assert sorted(result.base_offset for result in results) == list(range(0, 4000, 10))
            offsets = [base_offset(stored) for stored in await read_everything(logs)]
            assert offsets == list(range(0, 4000, 10))

        run(test)

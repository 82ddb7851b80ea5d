"""Contract of `Partitions` for batches that need more than their header for validation."""

from common.ports.partitions import ACKS_ALL, Partitions, Refusal
from tests.support.stores.partition_core import LOG, append, batch, read_everything, topic
from tests.support.wire.batches import overflowing_batch, record_batch, with_times
from tests.support.wire.records import Record


class ValidationContract:
    def test_timestamps_out_of_range_are_refused_by_record_without_affecting_other_appends(
        self, run
    ):
        async def test(logs: Partitions) -> None:
            records = [Record(b"a"), Record(b"b", timestamp_ms=1 << 50), Record(b"c")]
            newer = record_batch(records)
            sent = [batch(), overflowing_batch(), newer, batch(start=1)]
            appends = [logs.append_one(LOG, data, -1, acks=ACKS_ALL) for data in sent]
            together = await append(logs, *sent)
            for results in (
                together,
                [(await submitted.future)[submitted.position] for submitted in appends],
            ):
                wrong = Refusal.INVALID_TIMESTAMP
                assert [result.refusal for result in results] == [None, wrong, wrong, None]
                named = [
                    [error.batch_index for error in result.record_errors] for result in results
                ]
                assert named == [[], [0], [1], []]
            assert len(await read_everything(logs)) == 4

        run(test)

    def test_the_header_of_a_stored_batch_has_its_true_max_timestamp(self, run):
        async def test(logs: Partitions) -> None:
            sent = record_batch([Record(b"a"), Record(b"b", timestamp_ms=1_700_000_000_007)])
            for claimed_ms in (-1, 1_600_000_000_000, 1 << 50):
                await append(logs, with_times(sent, 1_700_000_000_000, claimed_ms))
            assert [stored[16:] for stored in await read_everything(logs)] == [sent[16:]] * 3

        run(test)

    def test_a_batch_that_takes_long_to_examine_is_stored_in_order(self, run):
        async def test(logs: Partitions) -> None:
            long = record_batch([Record(None, b"k")] * 3000)
            keyless, short = record_batch([Record(b"a")] * 3000), record_batch([Record(b"b", b"k")])
            sent = [short, long, short, keyless, long, short]
            appends = [logs.append_one(LOG, data, -1, acks=ACKS_ALL) for data in sent]
            results = [(await submitted.future)[submitted.position] for submitted in appends]
            assert [result.base_offset for result in results] == [0, 1, 3001, -1, 3002, 6002]
            assert results[3].refusal is Refusal.INVALID_RECORD
            stored = await read_everything(logs)
            del sent[3]
            assert [data[16:] for data in stored] == [data[16:] for data in sent]

        run(test, topic(configs={"cleanup.policy": "compact"}))

    def test_a_refusal_by_topic_config_has_a_message_and_records(self, run):
        async def test(logs: Partitions) -> None:
            keyless = record_batch([Record(b"a", key=b"k"), Record(b"b"), Record(b"c")])
            (result,) = await append(logs, keyless)
            assert result.refusal is Refusal.INVALID_RECORD
            assert result.message
            assert [error.batch_index for error in result.record_errors] == [1, 2]

        run(test, topic(configs={"cleanup.policy": "compact"}))

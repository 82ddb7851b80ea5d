import pytest
import zstandard
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from common.ports.partitions import AppendResult, Refusal
from common.records.batch import HEADER_BYTES, Flaw, check, parse_header
from common.records.records import read_records
from partition_svc.log.log_config import LogConfig
from partition_svc.log.validation import validation
from partition_svc.log.validation.validation import (
    UnexaminedBatch,
    refused,
    validate,
)
from tests.support.stores.partition_core import batch
from tests.support.wire.batches import (
    CODECS,
    CONTROL_BIT,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    pack_record,
    record_batch,
    with_valid_crc,
)
from tests.support.wire.records import Record, numbered

NOW_MS = 1_800_000_000_000
PLAIN = LogConfig()
FULL = LogConfig(validates_records=True)
#: Position in the header of a batch.
MAX_TIMESTAMP_AT = 35
STAMPED = LogConfig(is_log_append_time=True)


def validate_fully(sent: bytes, config: LogConfig = PLAIN):
    """Returns the outcome of `validate`, and examines the batch if necessary."""
    outcome = validate(sent, config, NOW_MS)
    if isinstance(outcome, UnexaminedBatch):
        outcome = outcome.examine()
    return outcome


def accept(sent: bytes, config: LogConfig = PLAIN) -> bytes:
    outcome = validate_fully(sent, config)
    assert not isinstance(outcome, AppendResult), outcome
    stored, header = outcome
    assert header == parse_header(stored)
    return bytes(stored)


def refusal(sent: bytes, config: LogConfig = PLAIN) -> Refusal | None:
    outcome = validate_fully(sent, config)
    return outcome.refusal if isinstance(outcome, AppendResult) else None


def flip_bit(sent: bytes, position: int) -> bytes:
    return sent[:position] + bytes([sent[position] ^ 1]) + sent[position + 1 :]


def outcome_by_all_rules(sent):
    """Returns the outcome of `validate` for a plain topic without its fast path."""
    header = check(sent)
    if isinstance(header, Flaw):
        return validate(sent, PLAIN, NOW_MS)
    outcome = validation._apply_topic_rules(sent, header, PLAIN, NOW_MS, has_keys=False)
    return outcome.examine() if isinstance(outcome, UnexaminedBatch) else outcome


def test_an_uncompressed_batch_of_a_plain_topic_is_accepted_by_its_header(monkeypatch):
    monkeypatch.delattr(validation, "_apply_topic_rules")
    sent = batch(3)
    stored, header = validate_fully(sent)
    assert stored is sent
    assert header == parse_header(sent)


@pytest.mark.parametrize(
    ("sent", "config"),
    [
        (batch(), STAMPED),
        (batch(), LogConfig(is_compacted=True)),
        (record_batch(numbered(1), attributes=TRANSACTIONAL_BIT), PLAIN),
        (batch(timestamp_ms=NOW_MS + 3_600_001), PLAIN),
        (batch(timestamp_ms=-2), PLAIN),
        (batch(), LogConfig(validates_records=True)),
    ],
    ids=["stamped", "compacted", "transaction", "future", "negative time", "full"],
)
def test_all_rules_are_applied_unless_the_header_is_enough(sent, config, monkeypatch):
    applied = []
    rules = validation._apply_topic_rules

    def record_and_apply(*args, **options):
        applied.append(args)
        return rules(*args, **options)

    monkeypatch.setattr(validation, "_apply_topic_rules", record_and_apply)
    validate_fully(sent, config)
    assert len(applied) == 1


@given(st.data())
def test_a_plain_topic_has_the_same_outcome_by_the_header_and_by_all_rules(data):
    """Batches with changed bytes in the header, most of them with a CRC that fits."""
    sent = bytearray(batch(3, timestamp_ms=NOW_MS, producer=(7, 1, 40)))
    for _ in range(data.draw(st.integers(0, 3))):
        position = data.draw(st.integers(0, HEADER_BYTES - 1))
        sent[position] = data.draw(st.sampled_from((0, 1, 2, 0x7F, 0x80, 0xFF)))
    if data.draw(st.integers(0, 9)):
        sent[17:21] = crc32c(sent[21:]).to_bytes(4, "big")
    changed = bytes(sent)
    assert validate_fully(changed) == outcome_by_all_rules(changed)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(b"", Refusal.INVALID_RECORD, id="nothing"),
        pytest.param(batch()[:40], Refusal.INVALID_RECORD, id="half a header"),
        pytest.param(batch()[:-1], Refusal.INVALID_RECORD, id="cut"),
        pytest.param(batch() + batch(), Refusal.INVALID_RECORD, id="two batches"),
        pytest.param(flip_bit(batch(), 16), Refusal.INVALID_RECORD, id="magic 3"),
        pytest.param(flip_bit(batch(), 17), Refusal.CORRUPT_MESSAGE, id="CRC"),
        pytest.param(flip_bit(batch(), 70), Refusal.CORRUPT_MESSAGE, id="a record's byte"),
        pytest.param(record_batch([]), Refusal.INVALID_RECORD, id="no record"),
        pytest.param(
            record_batch(numbered(2), last_offset_delta=2), Refusal.INVALID_RECORD, id="delta"
        ),
        pytest.param(record_batch(numbered(2), count=3), Refusal.INVALID_RECORD, id="count"),
        pytest.param(
            record_batch(numbered(1), attributes=CONTROL_BIT), Refusal.INVALID_RECORD, id="control"
        ),
        pytest.param(
            record_batch(numbered(1), attributes=TRANSACTIONAL_BIT, producer=(1, 0, 0)),
            Refusal.INVALID_RECORD,
            id="transactional",
        ),
        pytest.param(
            record_batch(numbered(1), attributes=5),
            Refusal.UNSUPPORTED_COMPRESSION_TYPE,
            id="codec 5",
        ),
        pytest.param(batch(producer=(1, 0, -1)), Refusal.INVALID_RECORD, id="no sequence"),
    ],
)
def test_an_invalid_batch_is_refused(sent, expected):
    assert refusal(sent) is expected


def test_offset_and_epoch_of_the_client_are_ignored():
    sent = record_batch(numbered(2), base_offset=4711, leader_epoch=9)
    assert accept(sent) == sent


def test_the_size_limit_applies_to_the_whole_batch():
    sent = batch(size=100)
    assert refusal(sent, LogConfig(message_bytes_max=len(sent))) is None
    too_small = LogConfig(message_bytes_max=len(sent) - 1)
    assert refusal(sent, too_small) is Refusal.MESSAGE_TOO_LARGE
    # Kafka checks the size first.
    assert refusal(flip_bit(sent, 17), too_small) is Refusal.MESSAGE_TOO_LARGE


def test_the_size_limit_applies_after_recompression_too():
    sent = record_batch(numbered(50, size=1000), codec="gzip")
    config = LogConfig(codec=0, message_bytes_max=len(sent) + 100)
    assert refusal(sent, config) is Refusal.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(
    ("ahead_ms", "expected"), [(1000, None), (1001, Refusal.INVALID_TIMESTAMP)]
)
def test_timestamps_in_the_future_are_refused_beyond_a_limit(ahead_ms, expected):
    config = LogConfig(timestamp_after_max_ms=1000)
    assert refusal(batch(timestamp_ms=NOW_MS + ahead_ms), config) is expected


def test_a_batch_without_timestamps_is_accepted():
    assert refusal(batch(timestamp_ms=-1)) is None


def without_max_timestamp(sent: bytes) -> bytes:
    """Returns a batch as sarama before 1.45.1 sends it."""
    at = MAX_TIMESTAMP_AT
    return with_valid_crc(sent[:at] + (-1).to_bytes(8, "big", signed=True) + sent[at + 8 :])


TIMED = [Record(b"a", timestamp_ms=5000), Record(b"b", timestamp_ms=7000), Record(b"c")]


@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize("attributes", [0, TIMESTAMP_TYPE_BIT])
def test_a_missing_max_timestamp_becomes_that_of_the_newest_record(codec, attributes):
    expected = record_batch(TIMED, codec=codec, base_timestamp_ms=5000)
    sent = record_batch(TIMED, codec=codec, base_timestamp_ms=5000, attributes=attributes)
    stored = accept(without_max_timestamp(sent))
    assert parse_header(stored).max_timestamp == 7000
    assert stored == expected


def test_future_records_are_refused_without_a_max_timestamp_too():
    sent = without_max_timestamp(batch(timestamp_ms=NOW_MS + 1001))
    assert refusal(sent, LogConfig(timestamp_after_max_ms=1000)) is Refusal.INVALID_TIMESTAMP


def test_garbage_records_are_refused_without_a_max_timestamp():
    garbage = record_batch(numbered(2), codec="gzip", payload=b"no gzip at all")
    assert refusal(without_max_timestamp(garbage)) is Refusal.INVALID_RECORD


def test_a_missing_max_timestamp_is_replaced_by_log_append_time():
    stored = accept(without_max_timestamp(batch(2)), STAMPED)
    assert parse_header(stored).max_timestamp == NOW_MS


def test_log_append_time_is_written_with_a_new_crc():
    sent = batch(2, timestamp_ms=NOW_MS + 10**9)
    stored = accept(sent, STAMPED)
    header = parse_header(stored)
    assert header.is_log_append_time
    assert header.max_timestamp == NOW_MS
    assert with_valid_crc(stored) == stored
    assert [record.timestamp for record in read_records(stored)] == [NOW_MS, NOW_MS]


def test_log_append_time_bit_of_a_producer_is_refused():
    sent = record_batch(numbered(1), attributes=TIMESTAMP_TYPE_BIT)
    assert refusal(sent, STAMPED) is Refusal.INVALID_TIMESTAMP


def test_log_append_time_bit_is_cleared_on_other_topics():
    sent = record_batch(numbered(1), attributes=TIMESTAMP_TYPE_BIT)
    assert accept(sent) == record_batch(numbered(1))


def test_record_rules_are_applied_if_the_topic_has_some():
    keyed = record_batch([Record(b"v", key=b"k")])
    assert accept(keyed, LogConfig(is_compacted=True)) == keyed
    assert refusal(batch(), LogConfig(is_compacted=True)) is Refusal.INVALID_RECORD


def test_recompression_and_log_append_time_combine():
    config = LogConfig(codec=4, is_log_append_time=True)
    stored = accept(batch(3), config)
    header = parse_header(stored)
    assert (header.codec, header.is_log_append_time) == (4, True)
    assert with_valid_crc(stored) == stored


def test_a_refusal_has_its_message():
    assert refused(Refusal.CORRUPT_MESSAGE, "why") == AppendResult(
        refusal=Refusal.CORRUPT_MESSAGE, message="why"
    )


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [1000, 1001])
def test_many_records_are_not_examined_at_once(codec, count):
    sent = record_batch([Record(None)] * count, codec=codec, base_timestamp_ms=5)
    outcome = validate(sent, FULL, NOW_MS)
    if count > 1000:
        assert isinstance(outcome, UnexaminedBatch)
        outcome = outcome.examine()
    assert outcome == (sent, parse_header(sent))


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_few_records_that_decompress_to_many_bytes_are_not_examined_at_once(codec):
    sent = record_batch([Record(bytes(5_000_000))], codec=codec)
    outcome = validate(sent, FULL, NOW_MS)
    assert isinstance(outcome, UnexaminedBatch)
    assert outcome.examine() == (sent, parse_header(sent))


def test_an_examination_in_a_thread_pauses():
    pauses = []
    outcome = validate(record_batch([Record(None)] * 3000, base_timestamp_ms=5), FULL, NOW_MS)
    outcome.examine(lambda: pauses.append(1))
    assert len(pauses) == 2


def test_more_records_than_the_bytes_can_contain_are_refused_by_the_header():
    """2.3 million records of 7 zero bytes: every one claims the same offset."""
    body = zstandard.ZstdCompressor().compress(b"\x0c\0\0\0\x01\x01\0" * 2_300_000)
    sent = record_batch(
        [], codec="zstd", payload=body, count=2_300_000, last_offset_delta=2_299_999
    )
    assert len(sent) < 2000
    for config in (PLAIN, FULL, LogConfig(is_compacted=True)):
        assert refusal(sent, config) is Refusal.INVALID_RECORD
        assert not isinstance(validate(sent, config, NOW_MS), UnexaminedBatch)


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
@pytest.mark.parametrize("count", [1, 50, 5000, 100_000])
def test_batches_of_the_smallest_records_are_accepted(codec, count):
    sent = record_batch([Record(None)] * count, codec=codec, base_timestamp_ms=5)
    assert refusal(sent) is None


WRONG_RECORDS = [
    pytest.param(record_batch(numbered(3), payload=b"\xff" * 100), id="garbage"),
    pytest.param(record_batch(numbered(3), codec="zstd", payload=b"\xff" * 100), id="no zstd"),
    pytest.param(record_batch(numbered(4), count=3, last_offset_delta=2), id="a record too many"),
    pytest.param(
        record_batch([], payload=pack_record(Record(b"v"), offset_delta=4, base_timestamp_ms=0),
                     count=1, last_offset_delta=0),
        id="wrong offset delta",
    ),
]  # fmt: skip


@pytest.mark.parametrize("sent", WRONG_RECORDS)
def test_full_validation_finds_flaws_of_records(sent):
    assert refusal(sent, FULL) is Refusal.INVALID_RECORD
    assert refusal(sent, LogConfig(is_compacted=True)) is Refusal.INVALID_RECORD
    assert refusal(sent) is None


@pytest.mark.parametrize(("count", "is_long"), [(1000, False), (1001, True)])
def test_records_of_many_headers_are_not_examined_at_once(count, is_long):
    sent = record_batch([Record(b"v", headers=(("h", None),) * count)], base_timestamp_ms=NOW_MS)
    assert isinstance(validate(sent, FULL, NOW_MS), UnexaminedBatch) is is_long
    assert accept(sent, FULL) == sent

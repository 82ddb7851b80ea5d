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
#: Where a batch's header has it.
MAX_TIMESTAMP_AT = 35
STAMPED = LogConfig(is_log_append_time=True)


def validated(one: bytes, config: LogConfig = PLAIN):
    """Returns the outcome of `validate`, examined if it has to be."""
    outcome = validate(one, config, NOW_MS)
    if isinstance(outcome, UnexaminedBatch):
        outcome = outcome.examine()
    return outcome


def accepted(one: bytes, config: LogConfig = PLAIN) -> bytes:
    outcome = validated(one, config)
    assert not isinstance(outcome, AppendResult), outcome
    stored, header = outcome
    assert header == parse_header(stored)
    return bytes(stored)


def refusal(one: bytes, config: LogConfig = PLAIN) -> Refusal | None:
    outcome = validated(one, config)
    return outcome.refusal if isinstance(outcome, AppendResult) else None


def flipped(one: bytes, position: int) -> bytes:
    return one[:position] + bytes([one[position] ^ 1]) + one[position + 1 :]


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
    stored, header = validated(sent)
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

    def recorded(*args, **more):
        applied.append(args)
        return rules(*args, **more)

    monkeypatch.setattr(validation, "_apply_topic_rules", recorded)
    validated(sent, config)
    assert len(applied) == 1


@given(st.data())
def test_a_plain_topic_accepts_by_the_header_what_all_rules_accept(data):
    """Batches with changed bytes in the header, most of them with a CRC that fits."""
    sent = bytearray(batch(3, timestamp_ms=NOW_MS, producer=(7, 1, 40)))
    for _ in range(data.draw(st.integers(0, 3))):
        position = data.draw(st.integers(0, HEADER_BYTES - 1))
        sent[position] = data.draw(st.sampled_from((0, 1, 2, 0x7F, 0x80, 0xFF)))
    if data.draw(st.integers(0, 9)):
        sent[17:21] = crc32c(sent[21:]).to_bytes(4, "big")
    one = bytes(sent)
    assert validated(one) == outcome_by_all_rules(one)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(b"", Refusal.INVALID_RECORD, id="nothing"),
        pytest.param(batch()[:40], Refusal.INVALID_RECORD, id="half a header"),
        pytest.param(batch()[:-1], Refusal.INVALID_RECORD, id="cut"),
        pytest.param(batch() + batch(), Refusal.INVALID_RECORD, id="two batches"),
        pytest.param(flipped(batch(), 16), Refusal.INVALID_RECORD, id="magic 3"),
        pytest.param(flipped(batch(), 17), Refusal.CORRUPT_MESSAGE, id="CRC"),
        pytest.param(flipped(batch(), 70), Refusal.CORRUPT_MESSAGE, id="a record's byte"),
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
def test_a_batch_that_is_wrong_is_refused(sent, expected):
    assert refusal(sent) is expected


def test_offset_and_epoch_of_the_client_do_not_count():
    sent = record_batch(numbered(2), base_offset=4711, leader_epoch=9)
    assert accepted(sent) == sent


def test_the_whole_batch_counts_for_the_largest_size():
    sent = batch(size=100)
    assert refusal(sent, LogConfig(message_bytes_max=len(sent))) is None
    too_small = LogConfig(message_bytes_max=len(sent) - 1)
    assert refusal(sent, too_small) is Refusal.MESSAGE_TOO_LARGE
    # Kafka looks at the size first.
    assert refusal(flipped(sent, 17), too_small) is Refusal.MESSAGE_TOO_LARGE


def test_the_size_counts_after_recompression_too():
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


def without_max_timestamp(one: bytes) -> bytes:
    """Returns a batch as sarama before 1.45.1 sends it."""
    at = MAX_TIMESTAMP_AT
    return with_valid_crc(one[:at] + (-1).to_bytes(8, "big", signed=True) + one[at + 8 :])


TIMED = [Record(b"a", timestamp_ms=5000), Record(b"b", timestamp_ms=7000), Record(b"c")]


@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize("attributes", [0, TIMESTAMP_TYPE_BIT])
def test_a_time_that_the_producer_did_not_fill_in_is_that_of_the_newest_record(codec, attributes):
    expected = record_batch(TIMED, codec=codec, base_timestamp_ms=5000)
    sent = record_batch(TIMED, codec=codec, base_timestamp_ms=5000, attributes=attributes)
    stored = accepted(without_max_timestamp(sent))
    assert parse_header(stored).max_timestamp == 7000
    assert stored == expected


def test_records_behind_an_empty_time_may_not_be_of_the_future_either():
    sent = without_max_timestamp(batch(timestamp_ms=NOW_MS + 1001))
    assert refusal(sent, LogConfig(timestamp_after_max_ms=1000)) is Refusal.INVALID_TIMESTAMP


def test_garbage_behind_an_empty_time_is_refused():
    lying = record_batch(numbered(2), codec="gzip", payload=b"no gzip at all")
    assert refusal(without_max_timestamp(lying)) is Refusal.INVALID_RECORD


def test_an_empty_time_is_stamped_as_any_other():
    stored = accepted(without_max_timestamp(batch(2)), STAMPED)
    assert parse_header(stored).max_timestamp == NOW_MS


def test_log_append_time_is_stamped_and_the_crc_made_new():
    sent = batch(2, timestamp_ms=NOW_MS + 10**9)
    stored = accepted(sent, STAMPED)
    header = parse_header(stored)
    assert header.is_log_append_time
    assert header.max_timestamp == NOW_MS
    assert with_valid_crc(stored) == stored
    assert [one.timestamp for one in read_records(stored)] == [NOW_MS, NOW_MS]


def test_producers_may_not_stamp_log_append_time_themselves():
    sent = record_batch(numbered(1), attributes=TIMESTAMP_TYPE_BIT)
    assert refusal(sent, STAMPED) is Refusal.INVALID_TIMESTAMP


def test_on_other_topics_their_bit_is_taken_away():
    sent = record_batch(numbered(1), attributes=TIMESTAMP_TYPE_BIT)
    assert accepted(sent) == record_batch(numbered(1))


def test_record_rules_are_applied_if_the_topic_has_some():
    keyed = record_batch([Record(b"v", key=b"k")])
    assert accepted(keyed, LogConfig(is_compacted=True)) == keyed
    assert refusal(batch(), LogConfig(is_compacted=True)) is Refusal.INVALID_RECORD


def test_recompression_and_stamping_go_together():
    config = LogConfig(codec=4, is_log_append_time=True)
    stored = accepted(batch(3), config)
    header = parse_header(stored)
    assert (header.codec, header.is_log_append_time) == (4, True)
    assert with_valid_crc(stored) == stored


def test_a_refusal_carries_its_words():
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
def test_few_records_that_inflate_to_much_are_not_examined_at_once(codec):
    sent = record_batch([Record(bytes(5_000_000))], codec=codec)
    outcome = validate(sent, FULL, NOW_MS)
    assert isinstance(outcome, UnexaminedBatch)
    assert outcome.examine() == (sent, parse_header(sent))


def test_an_examination_in_a_thread_pauses():
    pauses = []
    outcome = validate(record_batch([Record(None)] * 3000, base_timestamp_ms=5), FULL, NOW_MS)
    outcome.examine(lambda: pauses.append(1))
    assert len(pauses) == 2


def test_more_records_than_its_bytes_can_hold_are_refused_unopened():
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
def test_the_smallest_records_of_clients_are_not_too_many(codec, count):
    sent = record_batch([Record(None)] * count, codec=codec, base_timestamp_ms=5)
    assert refusal(sent) is None


WRONG_INSIDE = [
    pytest.param(record_batch(numbered(3), payload=b"\xff" * 100), id="garbage"),
    pytest.param(record_batch(numbered(3), codec="zstd", payload=b"\xff" * 100), id="no zstd"),
    pytest.param(record_batch(numbered(4), count=3, last_offset_delta=2), id="a record too many"),
    pytest.param(
        record_batch([], payload=pack_record(Record(b"v"), offset_delta=4, base_timestamp_ms=0),
                     count=1, last_offset_delta=0),
        id="wrong offset delta",
    ),
]  # fmt: skip


@pytest.mark.parametrize("sent", WRONG_INSIDE)
def test_full_validation_finds_flaws_of_records(sent):
    assert refusal(sent, FULL) is Refusal.INVALID_RECORD
    assert refusal(sent, LogConfig(is_compacted=True)) is Refusal.INVALID_RECORD
    assert refusal(sent) is None


@pytest.mark.parametrize(("count", "is_long"), [(1000, False), (1001, True)])
def test_records_of_many_headers_are_not_examined_at_once(count, is_long):
    one = record_batch([Record(b"v", headers=(("h", None),) * count)], base_timestamp_ms=NOW_MS)
    assert isinstance(validate(one, FULL, NOW_MS), UnexaminedBatch) is is_long
    assert accepted(one, FULL) == one

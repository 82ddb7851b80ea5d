import struct

import pytest

from common.ports.partitions import AppendResult, Refusal
from common.records.batch import parse_header
from common.records.examine import NAMED_MAX
from common.records.records import read_records
from partition_svc.log.log_config import LogConfig
from partition_svc.log.validation.record_rules import (
    apply_record_rules,
    must_examine,
    stamped_by_producer,
)
from tests.support.wire.batches import (
    CODECS,
    TIMESTAMP_TYPE_BIT,
    pack_record,
    record_batch,
    with_valid_crc,
)
from tests.support.wire.records import Record, numbered

NOW_MS = 1_700_000_000_000


def apply_rules(sent: bytes, **config: object) -> bytes | AppendResult:
    outcome = apply_record_rules(sent, parse_header(sent), LogConfig(**config), NOW_MS)
    if isinstance(outcome, AppendResult):
        return outcome
    stored, header = outcome
    assert header == parse_header(stored)
    assert with_valid_crc(stored) == stored
    return stored


def needs_examination(sent: bytes, *, has_keys: bool = False, **config: object) -> bool:
    return must_examine(parse_header(sent), LogConfig(**config), NOW_MS, has_keys=has_keys)


def test_a_compacted_topic_refuses_the_batch_for_each_missing_key():
    sent = record_batch([Record(b"a"), Record(b"b", key=b""), Record(None), Record(b"d", key=b"k")])
    outcome = apply_rules(sent, is_compacted=True)
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.INVALID_RECORD
    assert [error.batch_index for error in outcome.record_errors] == [0, 2]


@pytest.mark.parametrize("codec", CODECS)
def test_keys_are_found_under_any_codec(codec):
    sent = record_batch([Record(b"a", key=b"k"), Record(None, key=b"")], codec=codec)
    assert apply_rules(sent, is_compacted=True) is sent


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("target", CODECS)
def test_records_are_the_same_under_the_topics_codec(codec, target):
    sent = record_batch(numbered(20), codec=codec, producer=(5, 1, 7))
    outcome = apply_rules(sent, codec=CODECS[target])
    assert isinstance(outcome, bytes)
    header = parse_header(outcome)
    assert header.codec == CODECS[target]
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 1, 7)
    assert list(read_records(outcome)) == list(read_records(sent))


def test_batch_in_the_topics_codec_is_unchanged():
    sent = record_batch(numbered(20), codec="zstd")
    assert apply_rules(sent, codec=CODECS["zstd"]) is sent


def test_old_records_are_refused_individually():
    times = [NOW_MS - 101, NOW_MS - 100, -1, NOW_MS + 51, NOW_MS]
    sent = record_batch([Record(b"x", timestamp_ms=time) for time in times])
    outcome = apply_rules(sent, timestamp_before_max_ms=100, timestamp_after_max_ms=50)
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.INVALID_TIMESTAMP
    assert [error.batch_index for error in outcome.record_errors] == [0, 3]


def test_timestamps_of_records_do_not_matter_with_log_append_time():
    sent = record_batch([Record(b"x", timestamp_ms=1)])
    assert apply_rules(sent, timestamp_before_max_ms=100, is_log_append_time=True) is sent


@pytest.mark.parametrize(
    ("config", "payload"),
    [
        ({"is_compacted": True}, b"garbage"),
        ({"timestamp_before_max_ms": 1}, b"\xff" * 20),
        ({"is_compacted": True}, b""),
    ],
)
def test_garbage_instead_of_records_is_invalid(config, payload):
    sent = record_batch(numbered(2), payload=payload)
    outcome = apply_rules(sent, **config)
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.INVALID_RECORD


def test_records_in_another_codec_than_the_header_says_are_invalid():
    sent = record_batch(numbered(2), codec="gzip", payload=b"not gzip")
    outcome = apply_rules(sent, codec=CODECS["lz4"])
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.INVALID_RECORD


def test_an_unknown_codec_is_not_supported():
    sent = record_batch(numbered(2), attributes=6)
    outcome = apply_rules(sent, codec=CODECS["lz4"])
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.UNSUPPORTED_COMPRESSION_TYPE


def batch_at(*times_ms: int, **values: object) -> bytes:
    records = [Record(b"x", timestamp_ms=time_ms) for time_ms in times_ms]
    return record_batch(records, base_timestamp_ms=times_ms[0], **values)


@pytest.mark.parametrize(
    ("sent", "config", "expected"),
    [
        pytest.param(batch_at(NOW_MS), {}, False, id="usual"),
        pytest.param(batch_at(-1), {}, False, id="no timestamps"),
        pytest.param(batch_at(NOW_MS + 3_600_000), {}, False, id="as new as allowed"),
        pytest.param(batch_at(NOW_MS + 3_600_001), {}, True, id="newer than allowed"),
        pytest.param(batch_at(-2), {}, True, id="negative"),
        pytest.param(batch_at(-2), {"is_log_append_time": True}, False, id="log append time"),
        pytest.param(batch_at(NOW_MS), {"timestamp_before_max_ms": 5}, True, id="not older than"),
        pytest.param(batch_at(NOW_MS), {"is_compacted": True}, True, id="keys"),
        pytest.param(batch_at(NOW_MS), {"validates_records": True}, True, id="full validation"),
        pytest.param(batch_at(NOW_MS), {"codec": 4}, True, id="another codec"),
        pytest.param(batch_at(NOW_MS, codec="zstd"), {"codec": 4}, False, id="the same codec"),
    ],
)
def test_records_are_examined_only_if_the_header_is_not_enough(sent, config, expected):
    assert needs_examination(sent, **config) is expected


def test_batch_known_to_have_keys_is_not_examined_for_them():
    sent = record_batch([Record(b"a", key=b"k")], base_timestamp_ms=NOW_MS)
    for config in ({"is_compacted": True}, {"validates_records": True}):
        assert needs_examination(sent, **config)
        assert not needs_examination(sent, has_keys=True, **config)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("claimed_ms", [-1, NOW_MS - 5, NOW_MS + 10**12])
def test_the_max_timestamp_becomes_that_of_the_newest_record(codec, claimed_ms):
    sent = batch_at(NOW_MS, NOW_MS + 7, NOW_MS + 3, codec=codec)
    false_batch = with_valid_crc(sent[:35] + struct.pack(">q", claimed_ms) + sent[43:])
    assert apply_rules(false_batch, validates_records=True) == sent


@pytest.mark.parametrize(
    ("base_ms", "times_ms", "wrong"),
    [
        pytest.param(NOW_MS, [NOW_MS, NOW_MS + 10**9, NOW_MS + 10**9], [1, 2], id="future"),
        pytest.param(NOW_MS, [NOW_MS, -2, -1], [1], id="negative"),
        pytest.param(-(2**63), [-(2**63)], [0], id="smallest"),
        pytest.param(2**62, [2**62 + 2**63 - 1], [0], id="beyond 64 bits"),
        pytest.param(-(2**63), [-(2**63) - 2**62], [0], id="below 64 bits"),
    ],
)
def test_refusal_of_timestamps_out_of_range_names_their_records(base_ms, times_ms, wrong):
    """KIP-467; Apache Kafka wraps sums around, so that some of these become acceptable there."""
    sent = record_batch([Record(b"x")] * len(times_ms), base_timestamp_ms=0)
    body = b"".join(
        pack_record(
            Record(b"x", timestamp_ms=time_ms - base_ms), offset_delta=delta, base_timestamp_ms=0
        )
        for delta, time_ms in enumerate(times_ms)
    )
    head = sent[:27] + struct.pack(">qq", base_ms, -1) + sent[43:61]
    sent = head[:8] + struct.pack(">i", 49 + len(body)) + head[12:] + body
    outcome = apply_rules(with_valid_crc(sent))
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.INVALID_TIMESTAMP
    assert [error.batch_index for error in outcome.record_errors] == wrong


def test_refusal_of_log_append_time_by_a_producer_names_each_record():
    sent = record_batch(numbered(3), attributes=TIMESTAMP_TYPE_BIT)
    outcome = stamped_by_producer(parse_header(sent))
    assert outcome.refusal is Refusal.INVALID_TIMESTAMP
    assert [error.batch_index for error in outcome.record_errors] == [0, 1, 2]


def test_only_the_first_of_many_refused_records_have_messages():
    """A few bytes can claim many records; the response must stay small."""
    outcome = apply_rules(record_batch([Record(b"v")] * 2000, codec="zstd"), is_compacted=True)
    errors = outcome.record_errors
    assert [error.batch_index for error in errors] == list(range(NAMED_MAX))
    assert [bool(error.message) for error in errors] == [True] * 20 + [False] * (NAMED_MAX - 20)

import pytest

from common.ports.partitions import AppendResult, Refusal
from common.records.batch import parse_header
from common.records.records import read_records
from partition_svc.log.log_config import LogConfig
from partition_svc.log.record_rules import apply_record_rules
from tests.support.batches import CODECS, record_batch
from tests.support.records import Record, numbered

NOW_MS = 1_700_000_000_000


def applied(sent: bytes, **config: object) -> bytes | AppendResult:
    return apply_record_rules(sent, parse_header(sent), LogConfig(**config), NOW_MS)


def test_a_compacted_topic_refuses_the_batch_for_each_missing_key():
    sent = record_batch([Record(b"a"), Record(b"b", key=b""), Record(None), Record(b"d", key=b"k")])
    outcome = applied(sent, is_compacted=True)
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.INVALID_RECORD
    assert [one.batch_index for one in outcome.record_errors] == [0, 2]


@pytest.mark.parametrize("codec", CODECS)
def test_keys_are_found_under_any_compression(codec):
    sent = record_batch([Record(b"a", key=b"k"), Record(None, key=b"")], codec=codec)
    assert applied(sent, is_compacted=True) is sent


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("wanted", CODECS)
def test_records_are_the_same_under_the_topics_codec(codec, wanted):
    sent = record_batch(numbered(20), codec=codec, producer=(5, 1, 7))
    outcome = applied(sent, codec=CODECS[wanted])
    assert isinstance(outcome, bytes)
    header = parse_header(outcome)
    assert header.codec == CODECS[wanted]
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 1, 7)
    assert list(read_records(outcome)) == list(read_records(sent))


def test_the_right_codec_is_left_as_it_is():
    sent = record_batch(numbered(20), codec="zstd")
    assert applied(sent, codec=CODECS["zstd"]) is sent


def test_old_records_are_refused_one_by_one():
    times = [NOW_MS - 101, NOW_MS - 100, -1, NOW_MS + 51, NOW_MS]
    sent = record_batch([Record(b"x", timestamp_ms=time) for time in times])
    outcome = applied(sent, timestamp_before_max_ms=100, timestamp_after_max_ms=50)
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.INVALID_TIMESTAMP
    assert [one.batch_index for one in outcome.record_errors] == [0, 3]


def test_their_own_times_do_not_matter_where_the_log_stamps_them():
    sent = record_batch([Record(b"x", timestamp_ms=1)])
    assert applied(sent, timestamp_before_max_ms=100, is_log_append_time=True) is sent


@pytest.mark.parametrize(
    ("config", "payload"),
    [
        ({"is_compacted": True}, b"garbage"),
        ({"timestamp_before_max_ms": 1}, b"\xff" * 20),
        ({"is_compacted": True}, b""),
    ],
)
def test_garbage_in_the_place_of_records_is_corrupt(config, payload):
    sent = record_batch(numbered(2), payload=payload)
    outcome = applied(sent, **config)
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.CORRUPT_BATCH


def test_what_is_not_of_its_codec_is_corrupt():
    sent = record_batch(numbered(2), codec="gzip", payload=b"not gzip")
    outcome = applied(sent, codec=CODECS["lz4"])
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.CORRUPT_BATCH


def test_an_unknown_codec_is_not_supported():
    sent = record_batch(numbered(2), attributes=6)
    outcome = applied(sent, codec=CODECS["lz4"])
    assert isinstance(outcome, AppendResult)
    assert outcome.refusal is Refusal.UNSUPPORTED_COMPRESSION


def test_a_batch_of_which_the_keys_are_known_is_not_opened():
    sent = record_batch([Record(b"a", key=b"k")])
    damaged = sent[:61] + b"\xff" * (len(sent) - 61)
    header = parse_header(damaged)
    config = LogConfig(is_compacted=True)
    assert apply_record_rules(damaged, header, config, NOW_MS, has_keys=True) is damaged
    refused = apply_record_rules(damaged, header, config, NOW_MS)
    assert isinstance(refused, AppendResult)
    assert refused.refusal is Refusal.CORRUPT_BATCH

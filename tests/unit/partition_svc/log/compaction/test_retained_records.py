import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.records.batch import assign_offset, parse_header
from common.records.keyed import delete_horizon_ms, with_records
from partition_svc.log.compaction import retained_records
from partition_svc.log.compaction.retained_records import LastOffsets, compact
from tests.support.stores.compacted_logs import START_MS, keyed_batch, last_values, pairs_by_offset
from tests.support.wire.batches import CODECS, CONTROL_BIT, record_batch, with_valid_crc
from tests.support.wire.records import Record

BUFFER_BYTES = 1 << 20
DAY_MS = 86_400_000


def with_offsets(*batches):
    """Returns the batches with consecutive offsets, as in a log."""
    found, offset = [], 0
    for batch in batches:
        found.append(assign_offset(batch, offset, 0))
        offset = parse_header(found[-1]).last_offset + 1
    return found


def compact_log(
    batches,
    *,
    now_ms=START_MS,
    first=0,
    retention_ms=DAY_MS,
    buffer_bytes=BUFFER_BYTES,
    skipped=None,
):
    """Compacts one part of the log, from batch `first` on; returns the log and the last offsets."""
    skipped = {} if skipped is None else skipped
    last = LastOffsets(0, buffer_bytes)
    last.add(batches[first:], skipped)
    part = [batch for batch in batches if parse_header(batch).last_offset < last.end]
    by_offset = {parse_header(batch).last_offset: batch for batch in batches}
    for offset, size_bytes, batch in compact(part, last, now_ms, retention_ms, skipped):
        assert len(by_offset.pop(offset)) == size_bytes
        if batch is not None:
            by_offset[offset] = batch
    return [by_offset[offset] for offset in sorted(by_offset)], last


def test_the_last_record_of_each_key_stays_at_its_offset():
    log = with_offsets(
        keyed_batch([(b"a", b"1"), (b"b", b"1")]),
        keyed_batch([(b"a", b"2")]),
        keyed_batch([(b"a", b"3"), (b"c", b"1"), (b"a", b"4")]),
    )
    left, _ = compact_log(log)
    assert pairs_by_offset(left) == {1: (b"b", b"1"), 4: (b"c", b"1"), 5: (b"a", b"4")}
    assert [parse_header(batch)[0] for batch in left] == [0, 3]


def test_batches_without_removed_records_are_not_rewritten():
    log = with_offsets(keyed_batch([(b"a", b"1"), (b"b", b"1")], codec="gzip"))
    left, _ = compact_log(log)
    assert left == log


def test_tombstone_stays_until_its_horizon_and_removes_its_key():
    log = with_offsets(keyed_batch([(b"a", b"1")]), keyed_batch([(b"a", None), (b"b", b"1")]))
    first, _ = compact_log(log)
    assert pairs_by_offset(first) == {1: (b"a", None), 2: (b"b", b"1")}
    assert delete_horizon_ms(parse_header(first[0])) == START_MS + DAY_MS
    early, _ = compact_log(first, now_ms=START_MS + DAY_MS - 1)
    assert early == first
    late, _ = compact_log(first, now_ms=START_MS + DAY_MS)
    assert pairs_by_offset(late) == {2: (b"b", b"1")}


def test_tombstone_survives_the_first_pass_even_without_retention():
    log = with_offsets(keyed_batch([(b"a", None)]))
    first, _ = compact_log(log, retention_ms=0)
    assert pairs_by_offset(first) == {0: (b"a", None)}
    assert compact_log(first, retention_ms=0)[0] == []


def test_tombstone_with_a_later_record_is_removed_at_once():
    left, _ = compact_log(with_offsets(keyed_batch([(b"a", None)]), keyed_batch([(b"a", b"1")])))
    assert pairs_by_offset(left) == {1: (b"a", b"1")}


def test_records_without_a_key_are_removed():
    """A topic may have such records from before it became compacted."""
    left, _ = compact_log(with_offsets(record_batch([Record(b"x"), Record(b"1", b"a")])))
    assert pairs_by_offset(left) == {1: (b"a", b"1")}


def test_control_and_unreadable_batches_stay_unchanged():
    log = with_offsets(
        record_batch([Record(b"1", b"a")], attributes=CONTROL_BIT),
        record_batch([Record(b"1", b"a")], payload=b"garbage"),
        record_batch([Record(b"1", b"a")], attributes=7),
        keyed_batch([(b"a", b"2")]),
    )
    skipped = {}
    assert compact_log(log, skipped=skipped)[0] == log
    assert sorted(skipped) == [1, 2]


def test_batch_with_timestamps_beyond_64_bits_stays_and_removes_nothing():
    """A rewritten batch would need a timestamp that no header can hold."""
    late = record_batch(
        [Record(b"2", b"a", timestamp_ms=5), Record(b"3", b"a", timestamp_ms=9)],
        base_timestamp_ms=0,
    )
    late = with_valid_crc(late[:27] + struct.pack(">q", 2**63 - 7) + late[35:])
    log = with_offsets(keyed_batch([(b"a", b"1")]), late, keyed_batch([(b"b", b"1")]))
    skipped = {}
    assert compact_log(log, skipped=skipped)[0] == log
    assert "64 bits" in skipped[1]


def test_a_batch_stays_unchanged_if_its_rewrite_reads_back_differently(monkeypatch):
    log = with_offsets(keyed_batch([(b"a", b"1"), (b"b", b"1")]), keyed_batch([(b"a", b"2")]))

    def rewrite_wrongly(header, records, **_):
        return with_records(header, [record._replace(timestamp=7) for record in records])

    monkeypatch.setattr(retained_records, "with_records", rewrite_wrongly)
    skipped = {}
    assert compact_log(log, skipped=skipped)[0] == log
    assert "read back" in skipped[0]


def test_a_batch_whose_rewrite_fails_stays_and_others_are_compacted(monkeypatch):
    log = with_offsets(
        keyed_batch([(b"a", b"1"), (b"b", b"1")]),
        keyed_batch([(b"a", b"2"), (b"c", b"1")]),
        keyed_batch([(b"a", b"3")]),
    )

    def fail_for_first(header, records, **options):
        if header.base_offset == 0:
            raise struct.error("a bug")
        return with_records(header, records, **options)

    monkeypatch.setattr(retained_records, "with_records", fail_for_first)
    left, _ = compact_log(log, skipped=(skipped := {}))
    assert left[0] == log[0]
    assert list(pairs_by_offset(left)) == [0, 1, 3, 4]
    assert skipped == {0: "a bug"}


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_batch_of_many_records_is_compacted_like_a_small_one(codec):
    many = [(b"%d" % (number % 4000), b"%d" % number) for number in range(6000)]
    log = with_offsets(keyed_batch(many, codec=codec), keyed_batch([(b"5", b"last")]))
    left, _ = compact_log(log)
    assert last_values(left) == last_values(log)
    assert len(pairs_by_offset(left)) == 4000


def test_large_batch_with_an_unreadable_end_removes_nothing():
    many = [(b"a", b"%d" % number) for number in range(5000)]
    cut = keyed_batch(many, count=5001, last_offset_delta=5000)
    log = with_offsets(keyed_batch([(b"a", b"first")]), cut)
    assert compact_log(log, skipped=(skipped := {}))[0] == log
    assert list(skipped) == [1]


def test_keys_of_a_very_large_batch_are_kept_as_far_as_they_fit(monkeypatch):
    monkeypatch.setattr(retained_records, "_KEYS_OF_ONE_BATCH", 2)
    log = with_offsets(
        keyed_batch([(key, b"old") for key in (b"a", b"b", b"c")]),
        keyed_batch([(key, b"new") for key in (b"a", b"b", b"c", b"a")]),
    )
    left, last = compact_log(log, first=1, buffer_bytes=0)
    assert (last.end, list(pairs_by_offset(left))) == (7, [2, 4, 5, 6])
    assert last_values(left) == last_values(log)


def test_part_ends_where_its_keys_exceed_the_buffer():
    log = with_offsets(
        *(keyed_batch([(b"%d" % (number % 5), b"%d" % number)]) for number in range(10))
    )
    left, last = compact_log(log, buffer_bytes=600)
    assert (last.is_full, last.end) == (True, 3)
    assert left == log
    left, last = compact_log(log, first=5, buffer_bytes=600)
    assert (last.is_full, last.end) == (True, 8)
    assert list(pairs_by_offset(left)) == [3, 4, 5, 6, 7, 8, 9]


def test_a_batch_with_more_keys_than_fit_is_compacted():
    log = with_offsets(keyed_batch([(b"a", b"1"), (b"b", b"1"), (b"a", b"2")]))
    left, last = compact_log(log, buffer_bytes=0)
    assert (last.end, list(pairs_by_offset(left))) == (3, [1, 2])


KEYS = st.sampled_from([b"a", b"b", b"c", b"a key that is longer than its digest"])
PAIRS = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=5)), min_size=1, max_size=4)
BATCHES = st.lists(st.tuples(PAIRS, st.sampled_from(sorted(CODECS))), min_size=1, max_size=12)


@given(BATCHES, st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 2 * DAY_MS)), max_size=5))
def test_compaction_of_random_logs_keeps_the_last_value_of_each_key(written, passes):
    original = with_offsets(*(keyed_batch(pairs, codec=codec) for pairs, codec in written))
    expected, before = last_values(original), pairs_by_offset(original)
    log, dirty, now_ms = original, 0, START_MS
    for buffer_bytes, elapsed_ms in passes:
        now_ms += elapsed_ms
        first = sum(parse_header(batch).last_offset < dirty for batch in log)
        log, last = compact_log(log, first=first, now_ms=now_ms, buffer_bytes=buffer_bytes)
        dirty = max(dirty, last.end)
        left = pairs_by_offset(log)
        assert last_values(log) == expected
        assert left.items() <= before.items()
        keys = [key for offset, (key, _) in left.items() if offset < dirty]
        assert len(keys) == len(set(keys))

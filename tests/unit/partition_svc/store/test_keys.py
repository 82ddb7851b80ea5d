from partition_svc.store import keys
from partition_svc.store.keys import LAST, CopyMarker, GenerationBytes, LogHead

LOG = keys.log_key(b"0123456789abcdef", 7)
NEXT_LOG = keys.log_key(b"0123456789abcdef", 8)


def batch_key(generation, log, last_offset):
    return keys.batch_prefix(generation, log) + keys.pack_u64(last_offset)


def test_batches_sort_by_generation_then_log_then_offset():
    ordered = [
        batch_key(0, NEXT_LOG, 5),
        batch_key(1, LOG, 255),
        batch_key(1, LOG, 256),
        batch_key(1, NEXT_LOG, 0),
        batch_key(256, LOG, 0),
    ]
    assert sorted(ordered) == ordered
    assert keys.generation_start(1) < ordered[1] < ordered[3] < keys.generation_start(2)


def test_a_log_key_contains_its_topic_id_and_partition():
    assert len(LOG) == keys.LOG_KEY_BYTES
    assert keys.log_id(LOG) == (b"0123456789abcdef", 7)


def test_time_entries_sort_by_time_then_offset_within_their_log():
    ordered = [
        keys.time_key(LOG, 0, 0),
        keys.time_key(LOG, 1000, 7),
        keys.time_key(LOG, 1000, 300),
        keys.time_key(LOG, LAST, LAST),
        keys.time_key(NEXT_LOG, 0, 0),
    ]
    assert sorted(ordered) == ordered
    assert keys.unpack_time_key(ordered[2]) == (1000, 300)


def test_rows_of_state_unpack_to_the_same_values():
    head = LogHead(1, 2, 3, -1, -1, 7, 6)
    assert LogHead.unpack(head.pack()) == head
    without_epochs = head.pack()[:40]
    assert LogHead.unpack(without_epochs) == LogHead(1, 2, 3, -1, -1, -1, -1)
    incoming = CopyMarker(1 << 40, 7, is_whole=True)
    assert CopyMarker.unpack(incoming.pack()) == incoming
    assert LogHead.unpack(LogHead(max_timestamp=LAST).pack()).max_timestamp == LAST
    assert GenerationBytes.unpack(GenerationBytes(10, 4).pack()) == (10, 4)
    assert keys.unpack_segment(keys.pack_segment(9, 1 << 40)) == (9, 1 << 40)


def test_numbered_keys_contain_their_number():
    assert keys.numbered(keys.producer_key(LOG, 4711)) == 4711
    assert keys.numbered(keys.segment_key(LOG, 1 << 40)) == 1 << 40
    assert keys.numbered(keys.epoch_key(LOG, 9)) == 9


def test_kinds_of_rows_have_different_first_bytes():
    rows = [
        keys.CLUSTER_ID,
        keys.VOLUME,
        keys.generation_key(1),
        keys.incoming_key(LOG),
        keys.epoch_key(LOG, 1),
        keys.head_key(LOG),
        keys.producer_key(LOG, 1),
        keys.segment_key(LOG, 1),
        keys.time_key(LOG, 1, 1),
    ]
    assert len({row[:1] for row in rows}) == len(rows)


def test_the_ranges_of_a_log_contain_only_its_rows():
    def is_within(key):
        return any(start <= key < end for start, end in keys.ranges_of(LOG))

    assert is_within(keys.producer_key(LOG, LAST))
    assert is_within(keys.segment_key(LOG, 0))
    assert is_within(keys.time_key(LOG, LAST, LAST))
    assert is_within(keys.epoch_key(LOG, LAST))
    assert is_within(keys.incoming_key(LOG))
    assert not is_within(keys.incoming_key(NEXT_LOG))
    assert not is_within(keys.producer_key(NEXT_LOG, 0))
    assert not is_within(keys.segment_key(NEXT_LOG, 0))
    assert not is_within(keys.head_key(LOG))

import pytest

from partition_svc.store.failures import StorageFailed
from partition_svc.store.keys import CLUSTER_ID, head_key, segment_key
from partition_svc.store.read_failures import ReadFailures
from partition_svc.store.reading import ReadLimits
from tests.support.stores.bit_rot import damage
from tests.support.stores.log_stores import LOG_KEY, OTHER_LOG_KEY, opened, roll, store_batches

EVERYTHING = ReadLimits(1 << 30, 1 << 30, at_least_one=True)


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_a_log_line_names_the_log_and_appears_once_in_ten_minutes(caplog):
    clock = Clock()
    failures = ReadFailures(str.upper, clock)
    failures.name_of = lambda topic_id, partition: f"orders-{partition}"
    for now_s, lines in ((0, 1), (599, 1), (601, 2)):
        clock.now_s = now_s
        error = failures.in_batches(LOG_KEY, 7, OSError("broken"))
        assert isinstance(error, StorageFailed)
        assert caplog.text.count("cannot read orders-0 from offset 7: BROKEN") == lines
    failures.in_batches(OTHER_LOG_KEY, 7, OSError("broken"))
    assert "cannot read orders-1 from offset 7: BROKEN" in caplog.text


@pytest.mark.parametrize("key", [head_key(LOG_KEY), segment_key(LOG_KEY, 3)])
def test_a_failure_in_a_row_of_a_log_names_the_log(caplog, key):
    ReadFailures(str).in_row(key, OSError("broken"))
    assert f"cannot read {b'topic of 16 byte'.hex()}-0: broken" in caplog.text


def test_a_failure_in_another_row_names_the_kind_of_row(caplog):
    ReadFailures(str).in_row(CLUSTER_ID, OSError("broken"))
    assert "cannot read rows of kind b'C': broken" in caplog.text


def test_a_read_returns_batches_before_a_damaged_block_and_fails_from_there(tmp_path, caplog):
    batches = [b"%d|" % number * 4000 for number in range(10, 20)]
    with opened(tmp_path) as store:
        store_batches(store, 0, *batches)
        roll(store)
        damage(tmp_path, batches[6])
        reader = store.reader
        assert reader.read(LOG_KEY, 0, 100, EVERYTHING).batches == batches[:6]
        with pytest.raises(StorageFailed, match=f"read: Corruption.*{tmp_path}"):
            reader.read(LOG_KEY, 60, 100, EVERYTHING)
        # An index entry may lie between the keys of two blocks, so 70 may lead to the damaged one.
        assert reader.read(LOG_KEY, 71, 100, EVERYTHING).batches == batches[7:]
        assert "-0 from offset 60: Corruption: block checksum mismatch" in caplog.text

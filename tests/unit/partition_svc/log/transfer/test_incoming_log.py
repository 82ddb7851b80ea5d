import pytest

from common.ports.partitions import LogId
from common.records.batch import assign_offset
from common.records.errors import CorruptRecords
from partition_svc.log.log_config import LogConfig
from partition_svc.log.tail_cache import TailCache
from partition_svc.log.transfer.incoming_log import IncomingLog
from partition_svc.store.keys import CopyMarker, LogHead
from tests.support.stores.log_stores import opened
from tests.support.stores.partition_core import batch

LOG = LogId(b"topic of 16 byte", 0)


@pytest.fixture
def store(tmp_path):
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def copy(store):
    return IncomingLog(LOG, store, TailCache(0), marker=CopyMarker(1, 5), config=LogConfig())


def write(store, copy, *batches):
    atomic_write = store.new_write()
    staged = [copy.stage_copied(data, header, 0) for data, header in copy.split(b"".join(batches))]
    copy.write(atomic_write, staged, store.generation)
    store.write(atomic_write, 0)


def test_split_returns_the_batches_unchanged(copy):
    sent = [assign_offset(batch(3), 0, 2), assign_offset(batch(2), 3, 4)]
    found = copy.split(b"".join(sent))
    assert [data for data, _ in found] == sent
    assert [(header.base_offset, header.leader_epoch) for _, header in found] == [(0, 2), (3, 4)]
    # split() stages nothing.
    assert copy.next_offset == 0


def test_copy_gets_its_own_time_index_epochs_and_segments(store, copy):
    batches = [
        assign_offset(batch(size=3000, timestamp_ms=1000 + n), n, 2 + n // 4) for n in range(8)
    ]
    write(store, copy, *batches)
    assert list(store.reader.epochs(copy.key)) == [(2, 0), (3, 4)]
    assert store.reader.offset_before_time(copy.key, 1006) == 5
    assert list(store.reader.segments(copy.key)) == [(0, store.generation, 0)]
    head = store.head(copy.key)
    assert head == LogHead(0, 8, sum(map(len, batches)), 1007, 7, 3, -1)


def test_a_complete_copy_is_fenced_for_the_epoch_of_its_source(store, copy):
    write(store, copy, assign_offset(batch(3), 0, 2))
    own = copy.completed_head(LogHead(0, 3, 999, 7, 2, 2))
    assert own == LogHead(0, 3, len(batch(3)), 7, 2, 2, 5)
    with pytest.raises(CorruptRecords):
        copy.completed_head(LogHead(0, 4, 999, 7, 2, 2))

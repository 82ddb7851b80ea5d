import pytest

from common.disk.data_directory import DataDirectory
from partition_svc.store.failures import StorageFailed
from partition_svc.store.space.room import Room

MIB = 1 << 20


def test_it_counts_what_opening_would_write_again(tmp_path):
    directory = DataDirectory(tmp_path)
    room = Room(directory)
    free_bytes = directory.free_bytes()
    assert room.is_enough(free_bytes // 4)
    assert not room.is_enough(free_bytes * 2)
    with (tmp_path / "000001.log").open("wb") as logged:
        logged.truncate(free_bytes * 2)
    assert not room.is_enough()
    directory.close()


class Disk:
    """In place of a `DataDirectory`."""

    def __init__(self, path, free_bytes):
        self.path = self.stable_path = path
        self.free = free_bytes

    def free_bytes(self):
        return self.free


def test_appends_leave_the_reserve_and_what_memtables_take(tmp_path):
    disk = Disk(tmp_path, 100 * MIB)
    room = Room(disk, reserve_bytes=64 * MIB)
    for free, unflushed, is_short in [(100, 36, False), (100, 37, True), (101, 36, True)]:
        disk.free = free * MIB
        room.on_written(MIB)
        assert room.is_short(lambda of=unflushed: of * MIB) == is_short
    # Not before there is an eighth of the reserve beside it: 64 + 8 + 36.
    disk.free = 108 * MIB
    room.on_written(MIB)
    assert not room.is_short(lambda: 36 * MIB)


def test_the_disk_is_looked_at_after_a_megabyte_and_not_for_each_write(tmp_path):
    disk = Disk(tmp_path, 100 * MIB)
    room = Room(disk, reserve_bytes=64 * MIB)
    assert not room.is_short(lambda: 0)
    disk.free = 0
    room.on_written(MIB - 1)
    assert not room.is_short(lambda: 0)
    room.on_written(1)
    assert room.is_short(lambda: 0)


def test_a_disk_that_others_fill_is_noticed_without_a_write(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("partition_svc.store.space.room.monotonic", lambda: now[0])
    disk = Disk(tmp_path, 100 * MIB)
    room = Room(disk, reserve_bytes=64 * MIB)
    assert not room.is_short(lambda: 0)
    disk.free = 0
    now[0] = 1.0
    assert room.is_short(lambda: 0)


def test_log_compaction_leaves_half_of_the_reserve(tmp_path):
    disk = Disk(tmp_path, 42 * MIB)
    room = Room(disk, reserve_bytes=64 * MIB)
    assert room.is_for_cleaning(10 * MIB)
    assert not room.is_for_cleaning(11 * MIB)


def test_without_a_reserve_the_disk_itself_says_when_it_is_full(tmp_path):
    room = Room(Disk(tmp_path, 0))
    assert not room.is_short(lambda: MIB)
    assert room.is_for_cleaning(MIB)


def test_a_disk_that_does_not_answer_is_a_storage_failure(tmp_path):
    directory = DataDirectory(tmp_path)
    directory.close()
    with pytest.raises(StorageFailed, match="look at the disk"):
        Room(directory).free_bytes()


def test_log_lines_say_what_is_kept(tmp_path):
    words = Room(Disk(tmp_path, 10 * MIB), reserve_bytes=64 * MIB).in_words()
    assert "10.0 MiB free" in words
    assert "64.0 MiB" in words

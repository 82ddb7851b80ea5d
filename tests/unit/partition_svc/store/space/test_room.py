import pytest

from common.disk.data_directory import DataDirectory
from partition_svc.store.failures import StorageFailed
from partition_svc.store.space.room import Room

MIB = 1 << 20


def test_room_counts_the_write_ahead_log_that_opening_would_write_again(tmp_path):
    directory = DataDirectory(tmp_path)
    room = Room(directory)
    free_bytes = directory.free_bytes()
    assert room.is_enough(free_bytes // 4)
    assert not room.is_enough(free_bytes * 2)
    with (tmp_path / "000001.log").open("wb") as log_file:
        log_file.truncate(free_bytes * 2)
    assert not room.is_enough()
    directory.close()


class Disk:
    """A `DataDirectory` whose free bytes the test sets."""

    def __init__(self, path, free_bytes):
        self.path = self.stable_path = path
        self.free = free_bytes

    def free_bytes(self):
        return self.free


def test_room_is_short_when_free_bytes_fall_below_reserve_and_memtables(tmp_path):
    disk = Disk(tmp_path, 100 * MIB)
    room = Room(disk, reserve_bytes=64 * MIB)
    for free, unflushed, is_short in [(100, 36, False), (100, 37, True), (101, 36, True)]:
        disk.free = free * MIB
        room.on_written(MIB)
        assert room.is_short(lambda mib=unflushed: mib * MIB) == is_short
    # Short until an eighth of the reserve is free beside it: 64 + 8 + 36.
    disk.free = 108 * MIB
    room.on_written(MIB)
    assert not room.is_short(lambda: 36 * MIB)


def test_free_bytes_are_read_after_a_megabyte_and_not_after_each_write(tmp_path):
    disk = Disk(tmp_path, 100 * MIB)
    room = Room(disk, reserve_bytes=64 * MIB)
    assert not room.is_short(lambda: 0)
    disk.free = 0
    room.on_written(MIB - 1)
    assert not room.is_short(lambda: 0)
    room.on_written(1)
    assert room.is_short(lambda: 0)


def test_a_disk_filled_by_other_processes_is_noticed_without_a_write(tmp_path, monkeypatch):
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


def test_room_is_never_short_without_a_reserve(tmp_path):
    room = Room(Disk(tmp_path, 0))
    assert not room.is_short(lambda: MIB)
    assert room.is_for_cleaning(MIB)


def test_free_bytes_raises_storage_failed_for_a_closed_directory(tmp_path):
    directory = DataDirectory(tmp_path)
    directory.close()
    with pytest.raises(StorageFailed, match="look at the disk"):
        Room(directory).free_bytes()


def test_in_words_has_the_free_bytes_and_the_reserve(tmp_path):
    text = Room(Disk(tmp_path, 10 * MIB), reserve_bytes=64 * MIB).in_words()
    assert "10.0 MiB free" in text
    assert "64.0 MiB" in text

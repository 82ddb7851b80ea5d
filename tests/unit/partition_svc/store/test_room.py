from common.data_directory import DataDirectory
from partition_svc.store.room import Room


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

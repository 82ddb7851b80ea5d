import os

import pytest

from partition_svc.store.journal.journal_file import (
    HEADER_BYTES,
    FileHeader,
    JournalFile,
    NoRoomForFile,
    file_numbers,
    file_path,
    sync_directory,
    write_again,
)
from tests.support.descriptors import open_files, path_of
from tests.support.stores.full_disk import files_limited_to

HEADER = FileHeader(epoch=3, first_sequence=1 << 40)
CHUNK_BYTES = 4096


@pytest.fixture
def file(tmp_path):
    file = JournalFile(file_path(tmp_path, 1), 1, HEADER, reserve_bytes=CHUNK_BYTES)
    yield file
    file.close()


def content(file: JournalFile) -> bytes:
    return file.path.read_bytes()


def test_header_is_read_as_it_was_written():
    data = HEADER.pack()
    assert len(data) == HEADER_BYTES
    assert FileHeader.unpack(data + b"records") == HEADER


def test_header_that_was_changed_or_cut_is_none():
    data = HEADER.pack()
    for position in range(HEADER_BYTES):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            assert FileHeader.unpack(bytes(changed)) is None
        assert FileHeader.unpack(data[:position]) is None
    assert FileHeader.unpack(bytes(HEADER_BYTES)) is None


def test_header_of_another_format_is_none(monkeypatch):
    module = "partition_svc.store.journal.journal_file"
    for name, value in (("_FORMAT", 2), ("_MAGIC", b"another.")):
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.{name}", value)
            data = HEADER.pack()
            assert FileHeader.unpack(data) == HEADER
        assert FileHeader.unpack(data) is None


def test_file_numbers_are_those_of_files_of_the_journal_in_their_order(tmp_path):
    for number in (10, 9, 123_456_789):
        file_path(tmp_path, number).touch()
    for name in ("copy.journal", "00000001.journal.old", "00000002"):
        (tmp_path / name).touch()
    assert file_numbers(tmp_path) == [9, 10, 123_456_789]
    assert file_path(tmp_path, 9).name == "00000009.journal"


def test_missing_folder_has_no_files(tmp_path):
    assert file_numbers(tmp_path / "missing") == []


def test_new_file_has_its_header_and_zeros(file):
    assert content(file) == HEADER.pack() + bytes(CHUNK_BYTES - HEADER_BYTES)
    assert file.free_bytes == CHUNK_BYTES - HEADER_BYTES
    assert file.path.stat().st_blocks * 512 >= CHUNK_BYTES


def test_new_file_and_its_name_are_synced(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync

    def note(fd):
        synced.append(path_of(fd))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    JournalFile(file_path(tmp_path, 1), 1, HEADER, reserve_bytes=100).close()
    assert synced == [file_path(tmp_path, 1), tmp_path]


@pytest.mark.parametrize("broken", ["posix_fallocate", "pwritev", "fsync"])
def test_file_that_cannot_be_created_is_not_left_behind(tmp_path, monkeypatch, broken):
    def fail(*_):
        raise OSError("broken")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="broken"):
        JournalFile(file_path(tmp_path, 1), 1, HEADER, reserve_bytes=100)
    assert file_numbers(tmp_path) == []
    assert not [path for path in open_files() if ".journal" in path.name]


def test_disk_without_room_for_a_file_is_told_from_one_that_fails(tmp_path, monkeypatch):
    path = file_path(tmp_path, 1)
    with files_limited_to(100), pytest.raises(NoRoomForFile, match="File too large"):
        JournalFile(path, 1, HEADER, reserve_bytes=CHUNK_BYTES)

    def fail(_):
        raise OSError("broken")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="broken") as raised:
        JournalFile(path, 1, HEADER, reserve_bytes=CHUNK_BYTES)
    assert not isinstance(raised.value, NoRoomForFile)


def test_existing_file_is_not_replaced(tmp_path):
    file_path(tmp_path, 1).write_bytes(b"records")
    with pytest.raises(FileExistsError):
        JournalFile(file_path(tmp_path, 1), 1, HEADER, reserve_bytes=100)
    assert file_path(tmp_path, 1).read_bytes() == b"records"


def test_records_follow_one_another(file):
    file.append([b"one"], 3)
    file.append([b"tw", b"", b"o"], 3)
    assert content(file).rstrip(b"\0") == HEADER.pack() + b"onetwo"
    assert len(content(file)) == CHUNK_BYTES
    assert file.free_bytes == CHUNK_BYTES - HEADER_BYTES - 6


@pytest.mark.parametrize("step", [1, 2, 3, 5, 100])
def test_writes_that_take_fewer_bytes_give_the_same_file(file, monkeypatch, step):
    pwritev = os.pwritev

    def write_less(fd, buffers, position):
        return pwritev(fd, [b"".join(buffers)[:step]], position)

    monkeypatch.setattr(os, "pwritev", write_less)
    file.append([b"abc", b"", b"defgh", b"i"], 9)
    file.append([b"jkl"], 3)
    assert content(file).rstrip(b"\0") == HEADER.pack() + b"abcdefghijkl"


def test_allocated_space_is_used_first(file):
    file.allocate(100)
    assert file.free_bytes == CHUNK_BYTES - HEADER_BYTES + 100
    file.append([b"x" * file.free_bytes], file.free_bytes)
    assert (file.free_bytes, len(content(file))) == (0, CHUNK_BYTES + 100)
    file.append([b"yz"], 2)
    assert (file.free_bytes, len(content(file))) == (0, CHUNK_BYTES + 102)
    assert content(file).endswith(b"xyz")


def test_space_that_two_threads_allocate_at_a_time_is_counted_once(file, monkeypatch):
    allocate = os.posix_fallocate

    def allocate_in_both(fd, offset, size):
        monkeypatch.undo()
        file.append([b"x" * CHUNK_BYTES], CHUNK_BYTES)
        allocate(fd, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", allocate_in_both)
    file.allocate(CHUNK_BYTES)
    assert len(content(file)) == 2 * CHUNK_BYTES
    assert file.free_bytes == CHUNK_BYTES - HEADER_BYTES


def test_record_that_does_not_fit_is_refused_before_any_byte_is_written(file):
    before = content(file)
    with files_limited_to(CHUNK_BYTES), pytest.raises(OSError, match="File too large"):
        file.append([b"x" * CHUNK_BYTES], CHUNK_BYTES)
    assert content(file) == before
    # What was allocated does not need a disk with room.
    with files_limited_to(CHUNK_BYTES):
        file.append([b"y"], 1)
    assert content(file).rstrip(b"\0") == HEADER.pack() + b"y"


def test_sync_covers_the_data(file, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(path_of(fd)))
    file.sync()
    assert synced == [file.path]


def test_data_is_written_again_before_it_is_synced(file, monkeypatch):
    file.append([b"x" * 100], 100)
    before, calls = content(file), []
    pwrite, fdatasync = os.pwrite, os.fdatasync
    # In pieces, as a kernel may take them.
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: noted(pwrite(fd, data[:50], at)))
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append("sync"), fdatasync(fd)))

    def noted(size):
        calls.append(size)
        return size

    for call in (file.write_again, lambda: write_again(file.path)):
        call()
        assert calls == [50, 50, HEADER_BYTES, "sync"]
        assert content(file) == before
        calls.clear()
    file.close()
    file.write_again()
    assert not calls


def test_closed_file_takes_nothing_and_may_be_closed_again(file):
    file.close()
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.append([b"x"], 1)
    assert file.path not in open_files()


def test_sync_directory_closes_the_directory(tmp_path):
    sync_directory(tmp_path)
    assert tmp_path not in open_files()
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "missing")

import pytest

from common.disk.data_directory import DataDirectory
from common.disk.reserve_file import NAME, ReserveFile

SIZE = 1 << 20


@pytest.fixture
def directory(tmp_path):
    directory = DataDirectory(tmp_path)
    yield directory
    directory.close()


def set_free_bytes(monkeypatch, directory, size_bytes):
    monkeypatch.setattr(directory, "free_bytes", lambda: size_bytes)


def test_the_reserve_occupies_space_and_is_released_on_a_full_disk(
    directory, tmp_path, monkeypatch
):
    reserve = ReserveFile(directory, SIZE)
    reserve.restore()
    file = tmp_path / NAME
    assert file.stat().st_size == SIZE
    assert file.stat().st_blocks * 512 >= SIZE
    reserve.release_if_needed()
    assert file.exists()
    set_free_bytes(monkeypatch, directory, SIZE - 1)
    reserve.release_if_needed()
    assert not file.exists()
    reserve.release_if_needed()


def test_the_reserve_is_restored_when_enough_space_is_free(directory, tmp_path, monkeypatch):
    reserve = ReserveFile(directory, SIZE)
    set_free_bytes(monkeypatch, directory, 4 * SIZE - 1)
    reserve.restore()
    assert not (tmp_path / NAME).exists()
    (tmp_path / NAME).write_bytes(b"cut off")
    set_free_bytes(monkeypatch, directory, 4 * SIZE)
    reserve.restore()
    assert (tmp_path / NAME).stat().st_size == SIZE


def test_an_io_error_is_ignored(directory):
    directory.close()
    reserve = ReserveFile(directory, SIZE)
    reserve.release_if_needed()
    reserve.restore()

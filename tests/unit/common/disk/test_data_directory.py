import errno
import os

import pytest

from common.disk.data_directory import DataDirectory, DirectoryInUse, DirectoryReplaced
from tests.support.descriptors import path_of


@pytest.fixture
def directory(tmp_path):
    directory = DataDirectory(tmp_path / "data")
    yield directory
    directory.close()


def replace(directory):
    """Replaces it with another directory, as when a volume is unmounted."""
    moved = directory.path.with_name("moved")
    directory.path.rename(moved)
    directory.path.mkdir()
    return moved


def test_a_directory_is_created_with_its_parents_and_reused(tmp_path):
    path = tmp_path / "a" / "b"
    DataDirectory(path).close()
    (path / "file").write_text("content")
    directory = DataDirectory(path)
    assert (directory.stable_path / "file").read_text() == "content"
    directory.close()


def test_directory_is_durable_also_if_an_earlier_process_has_made_it(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(path_of(fd)), fsync(fd)))
    DataDirectory(tmp_path / "a" / "b").close()
    assert synced[-2:] == [tmp_path, tmp_path / "a"]
    synced.clear()
    DataDirectory(tmp_path / "a" / "b").close()
    assert synced == [tmp_path / "a"]


@pytest.mark.parametrize("error", [errno.EIO, errno.EINVAL])
def test_directory_is_used_unsynced_only_if_its_file_system_cannot_sync(
    tmp_path, monkeypatch, error
):
    def fail(_):
        raise OSError(error, "broken")

    monkeypatch.setattr(os, "fsync", fail)
    if error == errno.EINVAL:
        DataDirectory(tmp_path / "data").close()
    else:
        with pytest.raises(OSError, match="broken"):
            DataDirectory(tmp_path / "data")


def test_a_directory_that_cannot_be_created_raises_the_error_of_the_system(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(OSError, match="file"):
        DataDirectory(tmp_path / "file" / "data")


def test_a_directory_has_one_holder_until_it_is_closed(directory):
    with pytest.raises(DirectoryInUse, match="in use by another process"):
        DataDirectory(directory.path)
    directory.close()
    DataDirectory(directory.path).close()


def test_files_stay_in_the_directory_that_is_open(directory):
    directory.check()
    moved = replace(directory)
    (directory.stable_path / "file").write_text("written")
    assert not any(directory.path.iterdir())
    assert (moved / "file").read_text() == "written"


def test_a_replaced_directory_is_detected_until_it_is_restored(directory):
    moved = replace(directory)
    with pytest.raises(DirectoryReplaced, match="another directory"):
        directory.check()
    directory.path.rmdir()
    with pytest.raises(DirectoryReplaced, match="no longer exists"):
        directory.check()
    moved.rename(directory.path)
    directory.check()


def test_errors_have_the_path_of_the_settings(directory):
    text = f"No space left: {directory.stable_path}/000009.sst"
    assert directory.with_path(text) == f"No space left: {directory.path}/000009.sst"


def test_free_bytes_are_those_of_the_disk(directory):
    assert directory.free_bytes() > 0


def test_a_closed_descriptor_number_is_not_reused_for_the_next_directory(tmp_path):
    first, second = DataDirectory(tmp_path / "first"), None
    path = first.stable_path
    first.close()
    first.close()
    second = DataDirectory(tmp_path / "second")
    assert second.stable_path != path
    assert not path.exists()
    second.close()

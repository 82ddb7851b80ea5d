import pytest

from common.disk.data_directory import DataDirectory, DirectoryInUse, DirectoryReplaced


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

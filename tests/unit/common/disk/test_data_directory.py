import pytest

from common.disk.data_directory import DataDirectory, DirectoryInUse, DirectoryReplaced


@pytest.fixture
def held(tmp_path):
    directory = DataDirectory(tmp_path / "data")
    yield directory
    directory.close()


def replace(directory):
    """Puts another directory in its place, as where a volume is unmounted."""
    aside = directory.path.with_name("aside")
    directory.path.rename(aside)
    directory.path.mkdir()
    return aside


def test_a_directory_is_created_with_its_parents_and_reused(tmp_path):
    path = tmp_path / "a" / "b"
    DataDirectory(path).close()
    (path / "file").write_text("kept")
    directory = DataDirectory(path)
    assert (directory.stable_path / "file").read_text() == "kept"
    directory.close()


def test_a_directory_that_cannot_be_created_raises_the_error_of_the_system(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(OSError, match="file"):
        DataDirectory(tmp_path / "file" / "data")


def test_a_directory_has_one_holder_until_it_is_closed(held):
    with pytest.raises(DirectoryInUse, match="in use by another process"):
        DataDirectory(held.path)
    held.close()
    DataDirectory(held.path).close()


def test_files_stay_in_the_directory_that_is_held(held):
    held.check()
    aside = replace(held)
    (held.stable_path / "file").write_text("written")
    assert not any(held.path.iterdir())
    assert (aside / "file").read_text() == "written"


def test_a_replaced_directory_is_detected_until_it_is_restored(held):
    aside = replace(held)
    with pytest.raises(DirectoryReplaced, match="another directory"):
        held.check()
    held.path.rmdir()
    with pytest.raises(DirectoryReplaced, match="no longer exists"):
        held.check()
    aside.rename(held.path)
    held.check()


def test_errors_have_the_path_of_the_settings(held):
    text = f"No space left: {held.stable_path}/000009.sst"
    assert held.with_path(text) == f"No space left: {held.path}/000009.sst"


def test_free_bytes_are_those_of_the_disk(held):
    assert held.free_bytes() > 0


def test_a_closed_descriptor_number_is_not_reused_for_the_next_directory(tmp_path):
    first, second = DataDirectory(tmp_path / "first"), None
    path = first.stable_path
    first.close()
    first.close()
    second = DataDirectory(tmp_path / "second")
    assert second.stable_path != path
    assert not path.exists()
    second.close()

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


def test_it_is_made_with_its_parents_and_taken_as_it_is_afterwards(tmp_path):
    path = tmp_path / "a" / "b"
    DataDirectory(path).close()
    (path / "file").write_text("kept")
    directory = DataDirectory(path)
    assert (directory.stable_path / "file").read_text() == "kept"
    directory.close()


def test_where_it_cannot_be_made_the_system_says_why(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(OSError, match="file"):
        DataDirectory(tmp_path / "file" / "data")


def test_only_one_may_hold_it_until_that_one_closes_it(held):
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


def test_another_directory_in_its_place_is_noticed_until_it_is_put_back(held):
    aside = replace(held)
    with pytest.raises(DirectoryReplaced, match="another directory"):
        held.check()
    held.path.rmdir()
    with pytest.raises(DirectoryReplaced, match="no longer exists"):
        held.check()
    aside.rename(held.path)
    held.check()


def test_errors_name_the_path_that_users_know(held):
    text = f"No space left: {held.stable_path}/000009.sst"
    assert held.with_path(text) == f"No space left: {held.path}/000009.sst"


def test_it_knows_the_free_bytes_of_its_disk(held):
    assert held.free_bytes() > 0


def test_a_closed_descriptor_is_not_the_next_directorys(tmp_path):
    first, second = DataDirectory(tmp_path / "first"), None
    path = first.stable_path
    first.close()
    first.close()
    second = DataDirectory(tmp_path / "second")
    assert second.stable_path != path
    assert not path.exists()
    second.close()

import pytest

from common.disk.synced_mark import NAME, Mark, SyncedMark


def test_it_says_how_far_was_synced_and_that_nobody_closed(tmp_path):
    mark = SyncedMark(tmp_path)
    assert mark.read() is None
    mark.begin(5)
    mark.advance(1 << 40)
    assert SyncedMark(tmp_path).read() == Mark(1 << 40, was_closed=False)
    mark.close()


def test_after_an_end_it_was_closed_until_it_begins_again(tmp_path):
    mark = SyncedMark(tmp_path)
    mark.begin(5)
    mark.end(7)
    mark.close()
    mark.advance(9)  # nothing: it is closed
    assert mark.read() == Mark(7, was_closed=True)
    mark.begin(7)
    assert mark.read() == Mark(7, was_closed=False)
    mark.close()


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 13, b"\0" * 13, b"x" * 100])
def test_what_is_not_its_own_says_nothing(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    assert SyncedMark(tmp_path).read() is None


def test_where_it_cannot_be_written_nothing_fails(tmp_path):
    mark = SyncedMark(tmp_path / "missing")
    mark.begin(1)
    mark.advance(2)
    mark.end(3)
    assert mark.read() is None

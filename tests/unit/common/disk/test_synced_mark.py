import pytest

from common.disk.synced_mark import NAME, Mark, SyncedMark


def test_a_mark_has_the_last_synced_write_of_a_process_that_did_not_close(tmp_path):
    mark = SyncedMark(tmp_path)
    assert mark.read() is None
    mark.begin(5)
    mark.advance(1 << 40)
    assert SyncedMark(tmp_path).read() == Mark(1 << 40, was_closed=False)
    mark.close()


def test_a_mark_is_closed_between_end_and_begin(tmp_path):
    mark = SyncedMark(tmp_path)
    mark.begin(5)
    mark.end(7)
    mark.close()
    mark.advance(9)  # ignored: the mark is closed
    assert mark.read() == Mark(7, was_closed=True)
    mark.begin(7)
    assert mark.read() == Mark(7, was_closed=False)
    mark.close()


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 13, b"\0" * 13, b"x" * 100])
def test_a_file_with_other_content_has_no_mark(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    assert SyncedMark(tmp_path).read() is None


def test_a_mark_that_cannot_be_written_is_no_error(tmp_path):
    mark = SyncedMark(tmp_path / "missing")
    mark.begin(1)
    mark.advance(2)
    mark.end(3)
    assert mark.read() is None


def test_marks_with_different_names_are_independent(tmp_path):
    first, second = SyncedMark(tmp_path), SyncedMark(tmp_path, "ANOTHER")
    first.begin(1)
    second.begin(2)
    second.remove()
    assert (first.read(), second.read()) == (Mark(1, was_closed=False), None)
    first.close()

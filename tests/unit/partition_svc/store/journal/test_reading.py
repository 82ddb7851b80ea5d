import os

import pytest

from partition_svc.store.journal.journal_file import HEADER_BYTES, file_path
from partition_svc.store.journal.reading import JournalEnd, JournalReader
from partition_svc.store.journal.record import encode
from tests.support.stores.journal_files import CHUNK_BYTES, read, row, write_file

RECORD_BYTES = encode(1, 1, 0, row(b"key1"))[1]


def position_behind(count):
    """Position behind `count` groups of a file."""
    return HEADER_BYTES + count * RECORD_BYTES


def overwrite(path, position, data):
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


def flip(path, position):
    overwrite(path, position, bytes([path.read_bytes()[position] ^ 1]))


def test_journal_without_files_ends_before_its_first_group(tmp_path):
    assert read(tmp_path, stored_sequence=7) == ([], JournalEnd(7))
    assert read(tmp_path / "missing") == ([], JournalEnd(0))


def test_groups_of_all_files_are_read_in_order(tmp_path):
    write_file(tmp_path, 9, [5, 6])
    write_file(tmp_path, 10, [7])
    last = write_file(tmp_path, 11, [8, 9])
    assert read(tmp_path) == ([5, 6, 7, 8, 9], JournalEnd(9, last, position_behind(2)))


def test_groups_have_their_changes(tmp_path):
    write_file(tmp_path, 1, [1], epoch=4)
    reader = JournalReader(tmp_path)
    (group,) = reader.groups()
    assert group == (1, 4, 0, row(b"key1"))
    assert reader.epoch == 4


def test_file_without_groups_says_where_the_journal_ends(tmp_path):
    last = write_file(tmp_path, 1, [], first=30)
    assert read(tmp_path) == ([], JournalEnd(29, last, HEADER_BYTES))


def test_files_without_groups_are_read_over(tmp_path):
    write_file(tmp_path, 1, [1, 2])
    write_file(tmp_path, 2, [], first=3)
    last = write_file(tmp_path, 3, [3])
    assert read(tmp_path) == ([1, 2, 3], JournalEnd(3, last, position_behind(1)))


def test_every_truncation_ends_before_the_record_that_it_cuts(tmp_path):
    path = write_file(tmp_path, 1, [1, 2, 3])
    data = path.read_bytes()
    for size in range(HEADER_BYTES, position_behind(3)):
        os.truncate(path, size)
        whole = (size - HEADER_BYTES) // RECORD_BYTES
        sequences, end = read(tmp_path)
        assert (sequences, end[:3]) == ([1, 2, 3][:whole], (whole, path, position_behind(whole)))
        lost = data[position_behind(whole) : size].rstrip(b"\0")
        assert end.unreadable_bytes == len(lost)
        path.write_bytes(data)


def test_every_changed_bit_of_the_last_record_ends_before_it(tmp_path):
    path = write_file(tmp_path, 1, [1, 2])
    data = path.read_bytes()
    for position in range(position_behind(1), position_behind(2)):
        for bit in range(8):
            overwrite(path, position, bytes([data[position] ^ 1 << bit]))
            sequences, end = read(tmp_path)
            assert (sequences, end.sequence, end.position) == ([1], 1, position_behind(1))
            assert end.unreadable_bytes > 0
        overwrite(path, position, data[position : position + 1])


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 100, b"\0" * 50 + b"x", b"\0" * 4 + b"\xff" * 4 + b"x" * 200],
    ids=["ones", "behind zeros", "a length of gigabytes"],
)
def test_garbage_behind_the_records_is_counted_and_not_read(tmp_path, garbage):
    path = write_file(tmp_path, 1, [1, 2])
    overwrite(path, position_behind(2), garbage)
    end = JournalEnd(2, path, position_behind(2), len(garbage))
    assert read(tmp_path) == ([1, 2], end)
    assert not end.is_damage(synced_sequence=2)
    assert end.is_damage(synced_sequence=3)


def test_records_behind_a_damaged_one_are_not_read(tmp_path):
    path = write_file(tmp_path, 1, [1, 2, 3])
    flip(path, position_behind(1) + 20)
    assert read(tmp_path) == ([1], JournalEnd(1, path, position_behind(1), 2 * RECORD_BYTES))


@pytest.mark.parametrize(
    ("sequence", "epoch"), [(3, 2), (3, 4), (2, 3), (4, 3)], ids=["older", "newer", "old", "gap"]
)
def test_record_of_another_epoch_or_number_ends_the_file(tmp_path, sequence, epoch):
    path = write_file(tmp_path, 1, [1, 2], epoch=3)
    record = b"".join(encode(sequence, epoch, 0, row(b"key3"))[0])
    overwrite(path, position_behind(2), record)
    assert read(tmp_path) == ([1, 2], JournalEnd(2, path, position_behind(2), len(record)))


def test_missing_groups_before_a_following_file_are_damage(tmp_path):
    first = write_file(tmp_path, 1, [1, 2])
    write_file(tmp_path, 2, [4, 5])
    end = JournalEnd(2, first, position_behind(2), 0, 4)
    assert read(tmp_path) == ([1, 2], end)
    assert end.is_damage(synced_sequence=0)


def test_damaged_record_before_a_following_file_is_damage(tmp_path):
    first = write_file(tmp_path, 1, [1, 2, 3])
    write_file(tmp_path, 2, [4])
    flip(first, position_behind(1))
    sequences, end = read(tmp_path)
    assert (sequences, end.sequence, end.expected_sequence) == ([1], 1, 4)
    assert end.is_damage(synced_sequence=0)


def test_rest_of_a_file_behind_the_first_group_of_the_next_is_not_read(tmp_path):
    # A group that was torn, or not acknowledged, before the next file began in its place.
    write_file(tmp_path, 1, [1, 2, 3])
    last = write_file(tmp_path, 2, [3, 4])
    assert read(tmp_path) == ([1, 2, 3, 4], JournalEnd(4, last, position_behind(2)))


def test_end_is_damage_only_if_synced_groups_are_missing():
    assert not JournalEnd(7).is_damage(synced_sequence=7)
    assert JournalEnd(7).is_damage(synced_sequence=8)
    assert not JournalEnd(7, expected_sequence=8).is_damage(synced_sequence=0)
    assert JournalEnd(7, expected_sequence=9).is_damage(synced_sequence=0)


def test_files_before_a_hole_are_leftovers(tmp_path):
    for number in (1, 2, 4):
        write_file(tmp_path, number, [number])
    last = write_file(tmp_path, 5, [5])
    assert read(tmp_path) == ([4, 5], JournalEnd(5, last, position_behind(1)))


def test_missing_file_before_the_first_is_damage(tmp_path):
    write_file(tmp_path, 1, [1, 2])
    first = write_file(tmp_path, 3, [5, 6])
    for stored_sequence in (4, 5, 100):
        assert read(tmp_path, stored_sequence=stored_sequence)[0] == [5, 6]
    sequences, end = read(tmp_path, stored_sequence=3)
    assert (sequences, end) == ([], JournalEnd(3, first, 0, 0, 5))
    assert end.is_damage(synced_sequence=0)


def test_files_of_an_older_epoch_are_leftovers(tmp_path):
    write_file(tmp_path, 1, [1], epoch=1)
    last = write_file(tmp_path, 2, [7], epoch=2)
    assert read(tmp_path) == ([7], JournalEnd(7, last, position_behind(1)))


def test_file_of_zeros_was_never_in_use(tmp_path):
    first = write_file(tmp_path, 1, [1])
    file_path(tmp_path, 2).write_bytes(bytes(CHUNK_BYTES))
    end = JournalEnd(1, first, position_behind(1))
    assert read(tmp_path) == ([1], end)
    file_path(tmp_path, 2).write_bytes(b"")
    assert read(tmp_path) == ([1], end)
    last = write_file(tmp_path, 3, [2])
    assert read(tmp_path) == ([1, 2], JournalEnd(2, last, position_behind(1)))


def test_damaged_header_of_the_last_file_is_damage_only_if_its_groups_were_synced(tmp_path):
    write_file(tmp_path, 1, [1])
    last = write_file(tmp_path, 2, [2])
    flip(last, 3)
    sequences, end = read(tmp_path)
    assert (sequences, end.sequence, end.path, end.position) == ([1], 1, last, 0)
    assert end.unreadable_bytes == position_behind(1)
    assert not end.is_damage(synced_sequence=1)
    assert end.is_damage(synced_sequence=2)


def test_damaged_header_before_a_following_file_is_damage(tmp_path):
    paths = [write_file(tmp_path, number, [number]) for number in (1, 2, 3)]
    flip(paths[1], 3)
    sequences, end = read(tmp_path)
    assert (sequences, end.path, end.expected_sequence) == ([1], paths[1], 3)
    assert end.is_damage(synced_sequence=0)
    paths[0].unlink()
    sequences, end = read(tmp_path)
    assert (sequences, end.path) == ([], paths[1])
    assert end.is_damage(synced_sequence=0)

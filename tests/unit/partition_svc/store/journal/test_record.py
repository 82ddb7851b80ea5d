import struct

import pytest

from partition_svc.store.atomic_write import DELETE, DELETE_RANGE, PUT, STATE
from partition_svc.store.journal.record import HEADER_BYTES, ChangeGroup, RecordHead, decode, encode

BATCHES, COMPACTED = 1, 2
#: All kinds in all families; a run follows another of its family, as in a real write.
CHANGES = [
    (STATE, PUT, [b"key", b"value", b"", b"empty key", b"no value", b""]),
    (BATCHES, PUT, [b"batch", b"x" * 300]),
    (STATE, DELETE, [b"gone"]),
    (COMPACTED, DELETE, [b"batch", b"another"]),
    (BATCHES, DELETE_RANGE, [b"a", b"b", b"c", b"d"]),
    (COMPACTED, PUT, [b"batch", b"\0" * 9 + b"\1"]),
]


def encoded(changes, *, sequence=5, epoch=2, generation=7):
    buffers, size = encode(sequence, epoch, generation, changes)
    record = b"".join(buffers)
    assert len(record) == size
    return record


def decoded(record):
    return decode(record[:HEADER_BYTES], record[HEADER_BYTES:])


@pytest.mark.parametrize(
    "changes",
    [
        [],
        CHANGES,
        [(STATE, PUT, [])],
        [(BATCHES, PUT, [b"k", b"large" * 10_000])],
        [(STATE, DELETE, [b"row%d" % number for number in range(1001)])],
        [(BATCHES, PUT, [b"y" * 5_000] * 1002)],
    ],
    ids=["nothing", "all kinds", "empty run", "large part", "many parts", "many large parts"],
)
def test_decoding_returns_the_encoded_group(changes):
    expected = [run for run in changes if run[2]]
    assert decoded(encoded(changes)) == ChangeGroup(5, 2, 7, expected)


def test_fields_of_a_record_keep_their_largest_values():
    record = encoded(CHANGES, sequence=(1 << 64) - 1, epoch=(1 << 32) - 1, generation=1 << 31)
    assert decoded(record) == ChangeGroup((1 << 64) - 1, (1 << 32) - 1, 1 << 31, CHANGES)
    head = RecordHead.unpack(record[:HEADER_BYTES])
    assert head.size_bytes == len(record) - HEADER_BYTES


def test_empty_runs_are_not_stored():
    assert encoded([(STATE, PUT, []), *CHANGES, (BATCHES, DELETE, [])]) == encoded(CHANGES)


def test_large_parts_are_not_copied():
    key, batch = b"key", b"x" * 50_000
    buffers, _ = encode(1, 1, 0, [(BATCHES, PUT, [key, batch])])
    assert buffers[1] is key
    assert buffers[2] is batch


@pytest.mark.parametrize("part", [b"x", b"x" * 5_000], ids=["small", "large"])
@pytest.mark.parametrize("count", [999, 1001, 5000])
def test_buffers_are_no_more_than_one_system_call_takes(part, count):
    buffers, _ = encode(1, 1, 0, [(STATE, DELETE, [part] * count)])
    assert len(buffers) <= 1024


def test_every_changed_bit_is_found():
    record = encoded(CHANGES)
    for position in range(len(record)):
        for bit in range(8):
            changed = bytearray(record)
            changed[position] ^= 1 << bit
            assert decoded(bytes(changed)) is None


def test_every_truncation_is_found():
    record = encoded(CHANGES)
    for size in range(HEADER_BYTES, len(record)):
        assert decoded(record[:size]) is None
        # The rest of a file that was allocated in advance.
        assert decoded(record[:size] + bytes(len(record) - size)) is None


def test_more_bytes_than_its_own_are_no_record():
    assert decoded(encoded(CHANGES) + b"\0") is None


def test_zeros_are_no_record():
    head = RecordHead.unpack(bytes(HEADER_BYTES))
    assert head.size_bytes == 0
    # The shortest record still has the number of its runs.
    assert RecordHead.unpack(encoded([])[:HEADER_BYTES]).size_bytes == struct.calcsize(">H")

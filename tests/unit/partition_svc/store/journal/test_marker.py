from partition_svc.store.atomic_write import PUT, STATE, batch_family
from partition_svc.store.journal.marker import marker, marker_key
from partition_svc.store.keys import COMPACTED_BIT, MARKER, batch_prefix, pack_u64

BATCHES, COMPACTED = 1, 2
LOG = b"\0" * 20


def test_marker_is_a_row_with_the_number_of_the_group():
    assert marker(STATE, 9, 3) == (STATE, PUT, [MARKER, pack_u64(9)])
    family, kind, (key, value) = marker(BATCHES, 9, 3)
    assert (family, kind, value) == (BATCHES, PUT, pack_u64(9))
    assert key == marker_key(BATCHES, 3)


def test_marker_of_batches_precedes_those_of_its_generation_and_follows_the_last():
    before = batch_prefix(2, b"\xff" * 20) + b"\xff" * 8
    assert before < marker_key(BATCHES, 3) < batch_prefix(3, LOG)
    before = batch_prefix(2 | COMPACTED_BIT, b"\xff" * 20) + b"\xff" * 8
    assert before < marker_key(COMPACTED, 3) < batch_prefix(3 | COMPACTED_BIT, LOG)


def test_marker_of_batches_is_in_their_family():
    assert [batch_family(marker_key(family, 3)) for family in (BATCHES, COMPACTED)] == [
        BATCHES,
        COMPACTED,
    ]


def test_marker_of_state_has_one_key_for_all_generations():
    assert marker_key(STATE, 1) == marker_key(STATE, 2) == MARKER

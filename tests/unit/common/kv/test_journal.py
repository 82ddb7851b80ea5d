import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.kv.journal import chunks, decode_chunk, encode_chunk
from common.kv.store import KvStoreFailed

CHANGES = st.dictionaries(st.binary(max_size=20), st.none() | st.binary(max_size=50), max_size=50)
#: Bytes of a change besides its key and value.
HEAD = 8


@given(CHANGES)
def test_chunks_together_are_the_changes_in_their_order(changes):
    chunk_list = list(chunks(changes, operations=7, size=200))
    assert [change for chunk in chunk_list for change in chunk] == list(changes.items())


@given(CHANGES)
def test_no_chunk_is_empty_or_exceeds_the_limits(changes):
    for chunk in chunks(changes, operations=7, size=200):
        assert 1 <= len(chunk) <= 7
        assert len(encode_chunk(chunk)) <= 200


@given(CHANGES)
def test_a_chunk_is_decoded_as_it_was_encoded(changes):
    assert decode_chunk(encode_chunk(list(changes.items()))) == list(changes.items())


def test_a_change_of_the_largest_size_fits_and_a_larger_one_is_refused():
    assert list(chunks({b"k": b"v" * 91}, operations=7, size=HEAD + 92)) == [[(b"k", b"v" * 91)]]
    with pytest.raises(KvStoreFailed, match="101 bytes under one key"):
        list(chunks({b"k": b"v" * 92}, operations=7, size=HEAD + 92))

"""Hypothesis strategies for records, in the order that a batch requires."""

from hypothesis import strategies as st

from common.records.records import Record

_CONTENT = st.none() | st.binary(max_size=200)
_TIMESTAMPS = st.integers(-1, 2**62)
_HEADERS = st.lists(st.tuples(st.text(max_size=10).map(str.encode), _CONTENT), max_size=3)


@st.composite
def record_lists(draw, *, headers: bool = True) -> list[Record]:
    """One to twenty records of growing offsets, with gaps as compaction leaves them."""
    offset = draw(st.integers(0, 2**50))
    records = []
    for _ in range(draw(st.integers(1, 20))):
        record_headers = tuple(draw(_HEADERS)) if headers else ()
        timestamp, key, value = draw(_TIMESTAMPS), draw(_CONTENT), draw(_CONTENT)
        records.append(Record(offset, timestamp, key, value, record_headers))
        offset += draw(st.integers(1, 300))
    return records

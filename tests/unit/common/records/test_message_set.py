import zlib

import pytest
from hypothesis import given, settings

from common.records import batch as batches
from common.records.batch import Flaw, assign_offset, check, parse_header, stamp_log_append_time
from common.records.compression import Codec, compress
from common.records.errors import CorruptRecords, RecordsTooLarge, UnsupportedRecords
from common.records.message import Message, read_messages, write_message
from common.records.message_set import down_convert, up_convert
from common.records.records import Record, read_records, write_batch
from tests.support.wire.record_strategies import record_lists
from tests.support.wire.reference_records import BUILDERS, CODECS, READERS

NOW = 1_700_000_000_000
RECORDS = [
    Record(0, NOW, b"key", b"value"),
    Record(1, NOW + 9, None, b""),
    Record(2, NOW - 9, b"", None),
    Record(3, NOW, b"k", b"v" * 5000),
]
WITH_HEADERS = [record._replace(headers=((b"h", b"x"),)) for record in RECORDS]

#: Position of the attributes of the first message of a set.
ATTRIBUTES_POSITION = 17

MAGICS = pytest.mark.parametrize("magic", [0, 1])
FORMATS = pytest.mark.parametrize(
    ("magic", "codec"), [(magic, codec) for magic in (0, 1) for codec in CODECS[magic]]
)

#: Three messages as kafka-python with the xxhash package writes them for magic 0 and lz4: the
#: frame's header checksum is the broken one of KAFKA-3160.
LZ4_MAGIC_0 = bytes.fromhex(
    "0000000000000000000000694fc372f50003ffffffff0000005b04224d1860401a4c00000016000100514c16cb1e"
    "0c0f00df026b300000003c76616c756520060023014800b00000010000004c96214cea0d004f00026b3158003410"
    "02580043cc6ebd8158001f3258002850616c75652000000000"
)


def _as_magic(records: list[Record], magic: int) -> list[Record]:
    """Returns records as messages of `magic` have them: no headers, no timestamps in magic 0."""
    return [r._replace(headers=(), timestamp=r.timestamp if magic else -1) for r in records]


def _message(magic: int, key: bytes, *, attributes: int = 0, timestamp: int = NOW) -> bytes:
    return write_message(Message(0, attributes, timestamp, key, b"v"), magic)


def _wrapper(magic: int, codec: Codec, inner: bytes, *, attributes: int = 0) -> bytes:
    value = compress(codec, inner, magic=magic)
    return write_message(Message(0, codec | attributes, NOW + 50, None, value), magic)


def _down(batch: bytes, magic: int, *, fetch_offset: int = 0) -> bytes:
    return b"".join(down_convert([batch], magic, fetch_offset=fetch_offset))


@FORMATS
@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_the_set_of_an_old_client_becomes_one_sound_batch_of_its_codec(build, magic, codec):
    batch = up_convert(memoryview(build(RECORDS, magic, Codec[codec])))
    header = check(batch)
    assert not isinstance(header, Flaw)
    assert (header.codec, header.record_count) == (Codec[codec], len(RECORDS))
    assert header.max_timestamp == (NOW + 9 if magic else -1)
    assert list(read_records(batch)) == _as_magic(RECORDS, magic)


@FORMATS
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_old_clients_read_our_batches_as_sets_of_the_same_codec(read, magic, codec):
    batch = assign_offset(write_batch(WITH_HEADERS, codec=Codec[codec]), 1000, 1)
    converted = _down(batch, magic)
    expected = [record._replace(offset=1000 + record.offset) for record in RECORDS]
    assert read(converted) == _as_magic(expected, magic)
    attributes = {message.attributes for message in read_messages(converted, magic)}
    assert attributes == {Codec[codec]}


@FORMATS
@settings(max_examples=25)
@given(records=record_lists())
def test_records_are_converted_to_a_message_set_and_back(magic, codec, records):
    converted = _down(write_batch(records, codec=Codec[codec]), magic)
    assert READERS["aiokafka"](converted) == _as_magic(records, magic)
    read = read_records(up_convert(converted))
    assert [r[1:4] for r in read] == [r[1:4] for r in _as_magic(records, magic)]


def test_lz4_of_magic_0_is_read_with_its_broken_checksum_and_written_with_it():
    batch = up_convert(LZ4_MAGIC_0)
    assert parse_header(batch).codec == Codec.LZ4
    assert [record.key for record in read_records(batch)] == [b"k0", b"k1", b"k2"]
    (wrapper,) = read_messages(_down(batch, 0), 0)
    assert wrapper.value[:7].hex() == "04224d1860401a"
    # Clients of 0.10 wrote standard LZ4 for magic 1.
    (wrapper,) = read_messages(_down(batch, 1), 1)
    assert wrapper.value[:7].hex() == "04224d18604082"


@FORMATS
def test_large_messages_in_sets_of_600_kb_are_converted(magic, codec):
    records = [Record(i, NOW, b"%d" % i, bytes([i]) * 5000) for i in range(120)]
    built = BUILDERS["aiokafka"](records, magic, Codec[codec])
    assert Codec[codec] or len(built) > 600_000
    batch = up_convert(built)
    assert list(read_records(batch)) == _as_magic(records, magic)
    assert READERS["aiokafka"](_down(batch, magic)) == _as_magic(records, magic)


@MAGICS
def test_plain_and_wrapped_messages_of_one_set_become_one_batch_in_their_order(magic):
    message_set = b"".join(
        [
            _message(magic, b"a"),
            _wrapper(magic, Codec.GZIP, _message(magic, b"b") + _message(magic, b"c")),
            _message(magic, b"d"),
            _wrapper(magic, Codec.SNAPPY, _message(magic, b"e")),
        ]
    )
    batch = up_convert(message_set)
    assert parse_header(batch).codec == Codec.SNAPPY
    assert [(r.offset, r.key) for r in read_records(batch)] == list(
        enumerate([b"a", b"b", b"c", b"d", b"e"])
    )


def test_an_empty_set_is_no_batch():
    assert up_convert(b"") is None


def test_v2_batch_in_place_of_a_set_is_returned_unchanged():
    batch = write_batch(WITH_HEADERS)
    assert up_convert(batch) == batch


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_log_append_time_that_a_client_claims_is_visible_to_the_log(codec):
    message_set = _message(1, b"k", attributes=batches.LOG_APPEND_TIME)
    if codec:
        message_set = _wrapper(1, codec, _message(1, b"k"), attributes=batches.LOG_APPEND_TIME)
    header = check(up_convert(message_set))
    assert header.is_log_append_time
    assert header.max_timestamp == (NOW + 50 if codec else NOW)


BROKEN = [
    pytest.param(b"\0", id="one byte"),
    pytest.param(_message(0, b"k")[:16], id="cut before the magic"),
    pytest.param(_message(0, b"k")[:-1], id="cut"),
    pytest.param(_message(1, b"a") + _message(1, b"b")[:20], id="cut in the second message"),
    pytest.param(_message(0, b"a") + _message(1, b"b"), id="two magics"),
    pytest.param(_message(1, b"k", timestamp=-2), id="negative timestamp"),
    pytest.param(bytes(16) + b"\x03" + bytes(20), id="magic 3"),
    pytest.param(bytes(16) + b"\xff" + bytes(20), id="magic -1"),
    pytest.param(_wrapper(1, Codec.GZIP, b""), id="nothing in a wrapper"),
    pytest.param(_wrapper(1, Codec.GZIP, _message(0, b"k")), id="another magic in a wrapper"),
    pytest.param(_wrapper(0, Codec.GZIP, _message(0, b"k")[:-1]), id="cut within a wrapper"),
    pytest.param(
        _wrapper(1, Codec.GZIP, _wrapper(1, Codec.SNAPPY, _message(1, b"k"))),
        id="a wrapper in a wrapper",
    ),
    pytest.param(write_message(Message(0, 1, NOW, None, None), 1), id="a wrapper without a value"),
    pytest.param(write_message(Message(0, 1, NOW, None, b"junk"), 0), id="a wrapper of junk"),
    pytest.param(write_message(Message(0, 2, NOW, None, b""), 0), id="a wrapper of nothing"),
]


@pytest.mark.parametrize("message_set", BROKEN)
def test_a_broken_set_is_corrupt(message_set):
    with pytest.raises(CorruptRecords):
        up_convert(message_set)


@MAGICS
def test_a_message_inside_a_wrapper_that_fails_its_crc_is_corrupt(magic):
    inner = bytearray(_message(magic, b"k"))
    inner[-1] ^= 1
    with pytest.raises(CorruptRecords, match="CRC-32"):
        up_convert(_wrapper(magic, Codec.GZIP, bytes(inner)))


@MAGICS
@pytest.mark.parametrize("codec", [4, 5, 6, 7])
def test_codecs_that_messages_cannot_have_are_unsupported(magic, codec):
    with pytest.raises(UnsupportedRecords):
        up_convert(_message(magic, b"k", attributes=codec))


def test_all_wrappers_together_inflate_to_no_more_than_the_limit():
    wrapper = _wrapper(1, Codec.GZIP, _message(1, bytes(6_000_000)))
    assert up_convert(wrapper * 2)
    with pytest.raises(CorruptRecords):
        up_convert(wrapper * 3)


@MAGICS
def test_a_set_inflates_to_no_more_than_a_batch_of_the_topic_may(magic):
    wrapper = _wrapper(
        magic, Codec.GZIP, write_message(Message(0, 0, NOW, None, bytes(10 << 20)), magic)
    )
    padding = _message(magic, bytes(600_000)) * 2
    sizes = []
    assert up_convert(padding + wrapper * 2, on_inflated=sizes.append)
    assert len(sizes) == 2
    assert sizes[0] > 10 << 20
    with pytest.raises(CorruptRecords, match="at most"):
        up_convert(padding + wrapper * 2, message_bytes_max=600_100)


@MAGICS
@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4])
def test_a_wrapper_that_is_too_large_is_refused_unopened(magic, codec):
    wrapper = bytearray(_wrapper(magic, codec, _message(magic, b"k" * 50)))
    size = len(wrapper)
    assert up_convert(wrapper, message_bytes_max=size)
    # Its CRC is not checked.
    wrapper[-1] ^= 1
    with pytest.raises(RecordsTooLarge, match=f"{size} bytes, max.message.bytes is {size - 1}"):
        up_convert(_message(magic, b"") + wrapper, message_bytes_max=size - 1)


@MAGICS
def test_plain_records_before_the_fetch_offset_are_left_out(magic):
    batch = assign_offset(write_batch(RECORDS), 1000, 1)
    converted = _down(batch, magic, fetch_offset=1002)
    assert [message.offset for message in read_messages(converted, magic)] == [1002, 1003]


def test_offsets_in_a_wrapper_are_relative_in_magic_1_and_absolute_in_magic_0():
    batch = write_batch([RECORDS[1]._replace(offset=70), RECORDS[0]._replace(offset=75)])
    batch = write_batch(list(read_records(batch)), codec=Codec.GZIP)
    for magic, inner_offsets in ((0, [70, 75]), (1, [0, 5])):
        (wrapper,) = read_messages(_down(batch, magic, fetch_offset=75), magic)
        assert wrapper.offset == 75
        assert wrapper.timestamp == (NOW + 9 if magic else -1)
        inner = zlib.decompress(wrapper.value, 31)
        assert [message.offset for message in read_messages(inner, magic)] == inner_offsets


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_message_of_magic_1_keeps_the_log_append_time(read, codec):
    stamped = stamp_log_append_time(write_batch(RECORDS, codec=codec), 12345)
    converted = _down(stamped, 1)
    assert {record.timestamp for record in read(converted)} == {12345}
    assert all(message.is_log_append_time for message in read_messages(converted, 1))
    assert _down(stamped, 0)[ATTRIBUTES_POSITION] == codec


@MAGICS
def test_control_batches_are_dropped(magic):
    control = write_batch([Record(0, NOW, bytes(4), bytes(6))], flags=batches.CONTROL)
    data = assign_offset(write_batch(RECORDS), 1, 0)
    assert down_convert([control], magic, fetch_offset=0) == []
    assert len(down_convert([control + data, control], magic, fetch_offset=0)) == 1


@MAGICS
def test_zstd_is_unsupported_only_as_the_first_batch(magic):
    plain, zstd = write_batch(RECORDS), write_batch(RECORDS, codec=Codec.ZSTD)
    with pytest.raises(UnsupportedRecords):
        down_convert([zstd, plain], magic, fetch_offset=0)
    assert down_convert([plain + zstd, plain], magic, fetch_offset=0) == [_down(plain, magic)]


@MAGICS
def test_garbage_from_the_log_is_corrupt(magic):
    batch = write_batch(RECORDS)
    for garbage in (batch[:-1], batch[:30], b"\0" * 100):
        with pytest.raises(CorruptRecords):
            down_convert([garbage], magic, fetch_offset=0)

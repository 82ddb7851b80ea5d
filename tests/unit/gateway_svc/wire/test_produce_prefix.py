import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_svc.wire.apis.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from gateway_svc.wire.codec import encode
from gateway_svc.wire.envelope import kind_of, read_header, read_request
from gateway_svc.wire.produce_prefix import (
    PREFIX_START,
    SINGLE_BATCH_VERSIONS,
    prefix_end,
    read_batch,
    read_prefix,
)
from gateway_svc.wire.violations import ProtocolViolation

TOPIC_ID = bytes(range(16))
#: Sizes near those at which a compact length needs another byte.
SIZES = (126, 127, 16_382, 16_383, 70_000)


def produce_request(
    version: int, *, records: bytes | None = b"r", name: str = "orders", **changed: object
):
    topic = TopicProduceData(
        name=name if version < 13 else "",
        topic_id=TOPIC_ID if version >= 13 else bytes(16),
        partition_data=[PartitionProduceData(index=3, records=records)],
    )
    fields = {"acks": -1, "timeout_ms": 30_000, "topic_data": [topic], **changed}
    return ProduceRequest(**fields)


def framed(
    request: ProduceRequest,
    version: int,
    *,
    client_id: bytes | None = b"c",
    correlation_id: int = 7,
    tags: bytes = b"\0",
) -> bytes:
    size = -1 if client_id is None else len(client_id)
    head = kind_of(PRODUCE.key, version) + correlation_id.to_bytes(4, "big", signed=True)
    head += size.to_bytes(2, "big", signed=True) + (client_id or b"") + tags
    return head + b"".join(encode(request, version, PRODUCE.is_flexible(version)))


def parse(frame: bytes, version: int):
    """Returns the fields of the frame; None if it must be decoded by the codec."""
    prefix = read_prefix(frame, version)
    if prefix is None:
        return None
    batch = read_batch(frame, prefix_end(frame, version))
    return None if batch is None else (*prefix, bytes(batch))


def decode_single_batch(frame: bytes):
    """Returns the fields that the codec reads from a frame with a single batch."""
    request = read_request(PRODUCE, read_header(frame), frame)
    (topic,) = request.topic_data
    (partition,) = topic.partition_data
    assert request.transactional_id is None
    name = topic.name or topic.topic_id
    return (request.acks, request.timeout_ms, name, partition.index, bytes(partition.records))


@given(
    version=st.sampled_from(SINGLE_BATCH_VERSIONS),
    acks=st.integers(-(2**15), 2**15 - 1),
    timeout_ms=st.integers(-(2**31), 2**31 - 1),
    name=st.text(min_size=1, max_size=126).filter(lambda text: len(text.encode()) <= 126),
    partition=st.integers(-(2**31), 2**31 - 1),
    records=st.binary(min_size=1, max_size=300) | st.sampled_from(SIZES).map(bytes),
    client_id=st.text(max_size=80).map(str.encode),
    correlation_id=st.integers(-(2**31), 2**31 - 1),
    trailing=st.binary(max_size=5),
)
def test_read_prefix_and_read_batch_return_what_the_codec_reads(
    version, acks, timeout_ms, name, partition, records, client_id, correlation_id, trailing
):
    request = produce_request(version, records=records, name=name, acks=acks, timeout_ms=timeout_ms)
    request.topic_data[0].partition_data[0].index = partition
    frame = framed(request, version, client_id=client_id, correlation_id=correlation_id) + trailing
    topic = name if version < 13 else TOPIC_ID
    assert parse(frame, version) == (acks, timeout_ms, topic, partition, records)
    assert decode_single_batch(frame) == (acks, timeout_ms, topic, partition, records)


@given(st.data(), st.sampled_from(SINGLE_BATCH_VERSIONS))
def test_frames_with_an_equal_prefix_have_equal_fields(data, version):
    """The prefix can be a cache key: no later byte of the frame changes its meaning."""
    frame = framed(produce_request(version, records=bytes(20)), version)
    end = prefix_end(frame, version)
    other = (
        frame[:4]
        + data.draw(st.binary(min_size=4, max_size=4))
        + frame[PREFIX_START:end]
        + data.draw(st.binary(max_size=40))
    )
    assert prefix_end(other, version) == end
    assert read_prefix(other, version) == read_prefix(frame, version)


@given(st.data(), st.sampled_from(SINGLE_BATCH_VERSIONS))
def test_every_parsed_frame_is_valid_for_the_codec(data, version):
    """Any byte of a frame is changed, which may change its meaning."""
    frame = bytearray(framed(produce_request(version, records=bytes(140), name="a" * 9), version))
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(4, len(frame) - 1))
        frame[position] = data.draw(st.integers(0, 255))
    parsed = parse(bytes(frame), version)
    if parsed is not None:
        assert decode_single_batch(bytes(frame)) == parsed


@pytest.mark.parametrize("version", SINGLE_BATCH_VERSIONS)
@pytest.mark.parametrize(
    "changed",
    [
        {"transactional_id": ""},
        {"transactional_id": "mine"},
        {"topic_data": []},
        {"topic_data": produce_request(9).topic_data * 2},
        {"topic_data": [TopicProduceData(name="orders", partition_data=[])]},
        {
            "topic_data": [
                TopicProduceData(
                    name="orders",
                    partition_data=produce_request(9).topic_data[0].partition_data * 2,
                )
            ]
        },
        {"records": None},
        {"records": b""},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_requests_with_other_fields_are_left_to_the_codec(version, changed):
    assert parse(framed(produce_request(version, **changed), version), version) is None


def test_name_with_a_longer_length_is_left_to_the_codec():
    assert parse(framed(produce_request(9, name="n" * 126), 9), 9) is not None
    assert parse(framed(produce_request(9, name="n" * 127), 9), 9) is None


@pytest.mark.parametrize("version", SINGLE_BATCH_VERSIONS)
@pytest.mark.parametrize("size", [1 << 21, (1 << 21) - 1])
def test_large_batch_is_read(version, size):
    frame = framed(produce_request(version, records=bytes(size)), version)
    assert parse(frame, version) == decode_single_batch(frame)


@pytest.mark.parametrize("version", SINGLE_BATCH_VERSIONS)
@pytest.mark.parametrize("client_id", [None, b"", b"c" * 255, b"c" * 256, b"\xff"])
def test_client_ids_are_read_or_left_to_the_codec(version, client_id):
    frame = framed(produce_request(version), version, client_id=client_id)
    is_read = client_id in (b"", b"c" * 255)
    assert (parse(frame, version) is not None) == is_read
    if client_id == b"\xff":
        with pytest.raises(ProtocolViolation):
            read_header(frame)


@pytest.mark.parametrize("version", SINGLE_BATCH_VERSIONS)
def test_truncated_request_is_left_to_the_codec(version):
    frame = framed(produce_request(version, records=bytes(200)), version)
    assert parse(frame, version) is not None
    for size in range(len(frame)):
        cut = frame[:size]
        assert parse(cut, version) is None


@pytest.mark.parametrize("version", SINGLE_BATCH_VERSIONS)
def test_tagged_fields_are_left_to_the_codec(version):
    frame = framed(produce_request(version), version)
    # One tag with one byte at the end of the request, where there was none.
    assert parse(frame[:-1] + b"\1\7\1x", version) is None
    assert parse(framed(produce_request(version), version, tags=b"\1\7\1x"), version) is None


def test_name_that_is_not_utf_8_is_left_to_the_codec():
    frame = framed(produce_request(9, name="ab"), 9).replace(b"ab", b"\xc3\x28")
    assert parse(frame, 9) is None

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_svc.wire.apis.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from gateway_svc.wire.codec import decode, encode
from gateway_svc.wire.single_batch import SINGLE_BATCH_SINCE, read_single_batch

VERSIONS = range(SINGLE_BATCH_SINCE, PRODUCE.version_max + 1)
TOPIC_ID = bytes(range(16))
#: Around those where a compact length takes another byte.
SIZES = (126, 127, 16_382, 16_383, 70_000)


def asked(version: int, *, records: bytes | None = b"r", name: str = "orders", **changed: object):
    topic = TopicProduceData(
        name=name if version < 13 else "",
        topic_id=TOPIC_ID if version >= 13 else bytes(16),
        partition_data=[PartitionProduceData(index=3, records=records)],
    )
    fields = {"acks": -1, "timeout_ms": 30_000, "topic_data": [topic], **changed}
    return ProduceRequest(**fields)


def encoded(request: ProduceRequest, version: int) -> bytes:
    return b"".join(encode(request, version, PRODUCE.is_flexible(version)))


@given(
    version=st.sampled_from(VERSIONS),
    acks=st.integers(-(2**15), 2**15 - 1),
    timeout_ms=st.integers(-(2**31), 2**31 - 1),
    name=st.text(max_size=126).filter(lambda text: len(text.encode()) <= 126),
    partition=st.integers(-(2**31), 2**31 - 1),
    records=st.binary(min_size=1, max_size=300) | st.sampled_from(SIZES).map(bytes),
    before=st.binary(max_size=5),
    behind=st.binary(max_size=5),
)
def test_it_reads_what_the_codec_reads(
    version, acks, timeout_ms, name, partition, records, before, behind
):
    data = [PartitionProduceData(index=partition, records=records)]
    topic = TopicProduceData(
        name=name if version < 13 else "",
        topic_id=TOPIC_ID if version >= 13 else bytes(16),
        partition_data=data,
    )
    request = ProduceRequest(acks=acks, timeout_ms=timeout_ms, topic_data=[topic])
    frame = before + encoded(request, version) + behind
    found = read_single_batch(frame, len(before), version)
    assert found == (acks, timeout_ms, name if version < 13 else TOPIC_ID, partition, records)
    assert found == read_single_batch(memoryview(frame), len(before), version)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "changed",
    [
        {"transactional_id": ""},
        {"transactional_id": "mine"},
        {"topic_data": []},
        {"topic_data": asked(9).topic_data * 2},
        {"topic_data": [TopicProduceData(name="orders", partition_data=[])]},
        {
            "topic_data": [
                TopicProduceData(
                    name="orders", partition_data=asked(9).topic_data[0].partition_data * 2
                )
            ]
        },
        {"records": None},
        {"records": b""},
        {"name": "n" * 127},
        {"records": bytes(1 << 21)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_other_shapes_are_left_to_the_codec_or_read_as_it_does(version, changed):
    frame = encoded(asked(version, **changed), version)
    found = read_single_batch(frame, 0, version)
    if found is not None:
        request, _ = decode(ProduceRequest, frame, 0, version, True)
        ((only,),) = [topic.partition_data for topic in request.topic_data]
        assert (found.partition, found.records) == (only.index, only.records)
        assert request.transactional_id is None
        assert only.records
    else:
        assert set(changed) != {"records"} or not changed["records"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_cut_anywhere_is_left_to_the_codec(version):
    frame = encoded(asked(version, records=bytes(200)), version)
    assert read_single_batch(frame, 0, version) is not None
    for size in range(len(frame)):
        assert read_single_batch(frame[:size], 0, version) is None


@given(st.sampled_from(VERSIONS), st.binary(max_size=60))
def test_whatever_it_takes_the_codec_takes_too(version, frame):
    found = read_single_batch(frame, 0, version)
    if found is not None:
        request, _ = decode(ProduceRequest, frame, 0, version, True)
        assert request.acks == found.acks


@pytest.mark.parametrize("version", range(SINGLE_BATCH_SINCE))
def test_older_versions_are_left_to_the_codec(version):
    assert read_single_batch(encoded(asked(version), version), 0, version) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_tagged_fields_are_left_to_the_codec(version):
    frame = encoded(asked(version), version)
    # One tag with one byte at the end of the request, where there was none.
    assert read_single_batch(frame[:-1] + b"\1\7\1x", 0, version) is None


def test_a_name_that_is_no_text_is_left_to_the_codec():
    frame = encoded(asked(9, name="ab"), 9).replace(b"ab", b"\xc3\x28")
    assert read_single_batch(frame, 0, 9) is None

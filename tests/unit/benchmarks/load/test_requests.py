import struct

import crc32c
import pytest
from kio.schema.api_versions.v0.request import ApiVersionsRequest
from kio.schema.create_topics.v2.request import CreateTopicsRequest
from kio.schema.delete_topics.v1.request import DeleteTopicsRequest
from kio.schema.fetch.v12.request import FetchRequest
from kio.schema.produce.v9.request import ProduceRequest
from kio.schema.request_header.v1.header import RequestHeader as RequestHeaderV1
from kio.schema.request_header.v2.header import RequestHeader as RequestHeaderV2
from kio.serial import entity_reader

from benchmarks.load import requests


def _read(frame, header_type, request_type):
    """Returns header and request as decoded by kio, which must read the whole frame."""
    (length,) = struct.unpack_from(">i", frame)
    assert length == len(frame) - 4
    header, size = entity_reader(header_type)(bytes(frame), 4)
    request, request_size = entity_reader(request_type)(bytes(frame), 4 + size)
    assert 4 + size + request_size == len(frame)
    return header, request


def test_a_produce_request_has_the_given_fields():
    batch = requests.record_batch(b"v" * 300, 3)
    frame = requests.produce("topic", 2, batch, acks=-1, correlation_id=7)
    header, request = _read(frame, RequestHeaderV2, ProduceRequest)
    assert (header.request_api_key, header.request_api_version, header.correlation_id) == (0, 9, 7)
    assert request.acks == -1
    (topic,) = request.topic_data
    (partition,) = topic.partition_data
    assert (topic.name, partition.index, partition.records) == ("topic", 2, batch)


def test_a_record_batch_has_its_length_count_and_checksum():
    batch = requests.record_batch(b"v" * 300, 200)
    length, _, magic, crc = struct.unpack_from(">iibI", batch, 8)
    attributes, last_offset_delta = struct.unpack_from(">hi", batch, 21)
    (count,) = struct.unpack_from(">i", batch, 57)
    assert (length, magic, attributes) == (len(batch) - 12, 2, 0)
    assert (last_offset_delta, count) == (199, 200)
    assert crc == crc32c.crc32c(batch[21:])


def test_a_fetch_request_reads_each_partition_from_its_sought_offset():
    request = requests.FetchRequest("topic", range(3), partition_bytes_max=1000, max_wait_ms=250)
    request.seek(1, 12345)
    header, decoded = _read(request.frame, RequestHeaderV2, FetchRequest)
    assert (header.request_api_key, header.request_api_version) == (1, 12)
    (topic,) = decoded.topics
    assert [partition.fetch_offset for partition in topic.partitions] == [0, 12345, 0]
    assert {partition.partition_max_bytes for partition in topic.partitions} == {1000}
    assert (decoded.max_bytes, decoded.min_bytes, decoded.session_epoch) == (3000, 1, -1)


@pytest.mark.parametrize(
    ("frame", "request_type", "key_and_version"),
    [
        (requests.create_topic("topic", 4), CreateTopicsRequest, (19, 2)),
        (requests.delete_topics(["topic", "other"]), DeleteTopicsRequest, (20, 1)),
        (requests.api_versions(), ApiVersionsRequest, (18, 0)),
    ],
    ids=["create topics", "delete topics", "api versions"],
)
def test_requests_around_a_measurement_can_be_decoded(frame, request_type, key_and_version):
    header, _ = _read(frame, RequestHeaderV1, request_type)
    assert (header.request_api_key, header.request_api_version) == key_and_version

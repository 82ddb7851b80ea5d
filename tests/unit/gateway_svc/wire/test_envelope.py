import pytest

from gateway_svc.wire.apis.api_versions import (
    API_VERSIONS,
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from gateway_svc.wire.apis.fetch import (
    FETCH,
    FetchableTopicResponse,
    FetchResponse,
    PartitionData,
)
from gateway_svc.wire.apis.init_producer_id import (
    INIT_PRODUCER_ID,
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from gateway_svc.wire.decoder import ELEMENTS_MAX
from gateway_svc.wire.envelope import RequestHeader, read_header, read_request, write_response
from gateway_svc.wire.varints import uvarint
from gateway_svc.wire.violations import ProtocolViolation

CLASSIC = "0016 0001 00000007 0003 6d6531  ffff 0000ea60"
FLEXIBLE = "0016 0002 00000007 0003 6d6531 00  00 0000ea60 00"


@pytest.mark.parametrize("as_view", [False, True], ids=["bytes", "view"])
@pytest.mark.parametrize(("hex_bytes", "version"), [(CLASSIC, 1), (FLEXIBLE, 2)])
def test_client_id_is_classic_even_in_a_flexible_header(hex_bytes, version, as_view):
    frame = bytes.fromhex(hex_bytes)
    frame = memoryview(frame) if as_view else frame
    header = read_header(frame)
    assert header == RequestHeader(22, version, 7, "me1", 13)
    request = read_request(INIT_PRODUCER_ID, header, frame)
    assert request == InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)


@pytest.mark.parametrize(("size", "client_id"), [("ffff", None), ("0000", "")])
def test_client_id_may_be_null_or_empty(size, client_id):
    frame = bytes.fromhex(f"0012 0000 00000009 {size}")
    header = read_header(frame)
    assert (header.client_id, header.body_offset) == (client_id, 10)
    assert read_request(API_VERSIONS, header, frame) == ApiVersionsRequest()


def test_header_of_an_unknown_api_and_version_is_parsed():
    header = read_header(bytes.fromhex("7fff 7ffe 80000000 0001 61") + b"body")
    assert header == RequestHeader(0x7FFF, 0x7FFE, -(2**31), "a", 11)


def test_tagged_fields_of_the_header_are_skipped():
    with_tags = FLEXIBLE.replace("6d6531 00", "6d6531 02 00 01 ff 07 00")
    frame = bytes.fromhex(with_tags)
    assert (
        read_request(INIT_PRODUCER_ID, read_header(frame), frame).transaction_timeout_ms == 60_000
    )


@pytest.mark.parametrize("hex_bytes", [CLASSIC, FLEXIBLE])
def test_truncated_frame_is_a_violation(hex_bytes):
    frame = bytes.fromhex(hex_bytes)
    for length in range(len(frame)):
        cut = frame[:length]
        with pytest.raises(ProtocolViolation):
            read_request(INIT_PRODUCER_ID, read_header(cut), cut)


@pytest.mark.parametrize(
    "hex_bytes",
    [
        pytest.param("0016 0001 00000007 7fff 6d6531", id="client id longer than the frame"),
        pytest.param("0016 0001 00000007 0002 c328", id="client id that is not UTF-8"),
    ],
)
def test_invalid_client_id_is_a_violation(hex_bytes):
    with pytest.raises(ProtocolViolation):
        read_header(bytes.fromhex(hex_bytes))


def test_header_with_too_many_tags_is_a_violation():
    start = bytes.fromhex("0016 0002 00000007 ffff")
    frame = start + uvarint(ELEMENTS_MAX + 1) + bytes(2 * ELEMENTS_MAX + 100)
    with pytest.raises(ProtocolViolation, match="request header tags"):
        read_request(INIT_PRODUCER_ID, read_header(frame), frame)


def test_bytes_after_a_request_are_ignored():
    frame = bytes.fromhex(CLASSIC)
    request = read_request(INIT_PRODUCER_ID, read_header(frame), frame)
    longer = frame + b"\0\0\0"
    assert read_request(INIT_PRODUCER_ID, read_header(longer), longer) == request


@pytest.mark.parametrize(
    ("version", "hex_bytes"),
    [
        pytest.param(1, "00000014 00000007  00000000 0000 ffffffffffffffff ffff", id="classic"),
        pytest.param(2, "00000016 00000007 00  00000000 0000 ffffffffffffffff ffff 00", id="tags"),
    ],
)
def test_response_has_length_correlation_id_and_tags_if_flexible(version, hex_bytes):
    parts = write_response(INIT_PRODUCER_ID, version, 7, InitProducerIdResponse())
    assert b"".join(parts).hex() == hex_bytes.replace(" ", "")


def test_response_header_of_api_versions_never_has_tags():
    api_version = ApiVersion(api_key=18, min_version=0, max_version=4)
    parts = write_response(API_VERSIONS, 3, 7, ApiVersionsResponse(api_keys=[api_version]))
    expected = "00000013 00000007  0000 02 0012 0000 0004 00  00000000 00"
    assert b"".join(parts).hex() == expected.replace(" ", "")


def test_length_of_a_response_counts_its_records():
    records = [b"one", memoryview(b"three")]
    partition = PartitionData(partition_index=0, records=records)
    topic = FetchableTopicResponse(topic="t", partitions=[partition])
    parts = write_response(FETCH, 4, 1, FetchResponse(responses=[topic]))
    assert parts[1] is records[0]
    assert parts[2] is records[1]
    data = b"".join(parts)
    assert int.from_bytes(data[:4], "big") == len(data) - 4

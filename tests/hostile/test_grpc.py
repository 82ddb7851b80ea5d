"""Malformed calls to the partition service: each gets a status or a refusal, and does no harm."""

import socket

import grpc
import pytest

from protos.partition.v1 import partition_pb2 as pb
from tests.support.clients.raw_client import RawClient
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

SERVICE = "/partition.v1.PartitionService"
WITHIN_S = 30
BATCH = record_batch(numbered(2))


@pytest.fixture
def address(broker):
    return broker.grpc_address("partition" if "partition" in broker.names else "standalone")


@pytest.fixture
def channel(address):
    with grpc.insecure_channel(address) as channel:
        yield channel


def call(channel, method, request):
    """Returns the bytes of the reply. Accepts raw bytes too, because it uses no stub."""
    data = request if isinstance(request, bytes) else request.SerializeToString()
    return channel.unary_unary(f"{SERVICE}/{method}")(data, timeout=WITHIN_S)


def call_or_none(channel, method, request, reply_type):
    """Returns the reply; None if the call fails with INVALID_ARGUMENT."""
    try:
        return reply_type.FromString(call(channel, method, request))
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return None


def status_of(channel, method, request):
    with pytest.raises(grpc.RpcError) as error:
        call(channel, method, request)
    return error.value.code()


@pytest.mark.parametrize("method", ["Append", "Fetch", "ListOffsets", "DescribeLog"])
@pytest.mark.parametrize("garbage", [b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x07", b"\x08"])
def test_invalid_protobuf_gets_a_status(method, garbage, channel):
    assert status_of(channel, method, garbage) in (
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.INVALID_ARGUMENT,
    )


def test_an_unknown_method_is_unimplemented(channel):
    assert status_of(channel, "NoSuchMethod", b"") is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("topic_id", [b"", b"short", bytes(16), bytes(17), bytes(100_000)])
@pytest.mark.parametrize("partition", [0, -1, 2**31 - 1])
def test_an_unknown_log_is_refused_or_an_invalid_argument(topic_id, partition, channel):
    append = pb.AppendRequest(
        appends=[pb.Append(append_id=7, topic_id=topic_id, partition=partition, batch=BATCH)]
    )
    fetch = pb.FetchRequest(
        partitions=[pb.FetchPartition(topic_id=topic_id, partition=partition, max_bytes=1000)],
        max_wait_ms=600_000,
        min_bytes=1,
        max_bytes=1000,
    )
    queries = pb.ListOffsetsRequest(
        queries=[pb.OffsetQuery(topic_id=topic_id, partition=partition, timestamp=-1)]
    )
    logs = pb.DescribeLogRequest(logs=[pb.LogId(topic_id=topic_id, partition=partition)])
    for method, request, reply_type, refusal_of in (
        ("Append", append, pb.AppendResponse, lambda reply: reply.results[0].refused.refusal),
        ("Fetch", fetch, pb.FetchResponse, lambda reply: reply.results[0].refusal),
        ("ListOffsets", queries, pb.ListOffsetsResponse, lambda reply: reply.results[0].refusal),
        ("DescribeLog", logs, pb.DescribeLogResponse, lambda reply: reply.logs[0].refusal),
    ):
        reply = call_or_none(channel, method, request, reply_type)
        expected = (pb.REFUSAL_UNKNOWN_TOPIC_OR_PARTITION, pb.REFUSAL_NOT_OWNER)
        assert reply is None or refusal_of(reply) in expected, method


def create_topic_id(raw):
    return raw.topic_id(raw.create_topic()).bytes


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"batch": b"garbage"}, id="garbage"),
        pytest.param({"batch": b""}, id="empty batch"),
        pytest.param({"batch": BATCH[:-1]}, id="cut batch"),
        pytest.param({}, id="neither batch nor records"),
        pytest.param({"batch": BATCH, "records": [pb.Record(value=b"x")]}, id="both"),
        pytest.param({"batch": BATCH, "acks": 99}, id="unknown acks"),
    ],
)
def test_an_append_with_invalid_content_is_refused(content, channel, raw):
    topic_id = create_topic_id(raw)
    append = pb.Append(append_id=1, topic_id=topic_id, partition=0, **content)
    request = pb.AppendRequest(appends=[append])
    reply = call_or_none(channel, "Append", request, pb.AppendResponse)
    is_refused = reply is None or reply.results[0].WhichOneof("outcome") == "refused"
    assert is_refused or content.get("acks") == 99


@pytest.mark.parametrize(
    "numbers",
    [
        {"max_wait_ms": -1, "min_bytes": -5, "max_bytes": -1},
        {"max_wait_ms": 0, "min_bytes": 2**31 - 1, "max_bytes": 2**31 - 1},
    ],
)
@pytest.mark.parametrize("offset", [-1, -(2**63), 2**63 - 1])
def test_a_fetch_with_absurd_numbers_is_answered_at_once(numbers, offset, channel, raw):
    partition = pb.FetchPartition(
        topic_id=create_topic_id(raw), partition=0, fetch_offset=offset, max_bytes=-1
    )
    request = pb.FetchRequest(partitions=[partition], **numbers)
    reply = call_or_none(channel, "Fetch", request, pb.FetchResponse)
    assert reply is None or reply.results[0].refusal == pb.REFUSAL_OFFSET_OUT_OF_RANGE


def test_a_stream_of_garbage_ends_that_stream_only(channel, raw):
    append = pb.Append(append_id=1, topic_id=create_topic_id(raw), partition=0, batch=BATCH)
    open_stream = channel.stream_stream(f"{SERVICE}/AppendStream")
    broken = open_stream(iter([b"\xff" * 30]), timeout=WITHIN_S)
    with pytest.raises(grpc.RpcError):
        list(broken)
    request = pb.AppendRequest(appends=[append]).SerializeToString()
    intact = open_stream(iter([request]), timeout=WITHIN_S)
    (reply,) = [pb.AppendResponse.FromString(data) for data in intact]
    assert reply.results[0].stored.base_offset == 0


def test_kafka_requests_and_noise_on_the_grpc_port_do_no_harm(address):
    host, port = address.rsplit(":", 1)
    for noise in (b"\xff" * 1000, b"\x00\x00\x00\x10" + bytes(16), b"PRI * HTTP/2.0\r\n\r\nSM\r\n"):
        with socket.create_connection((host, int(port)), timeout=WITHIN_S) as connection:
            connection.sendall(noise)
    with RawClient(address) as client:
        client.send_frame(b"\x00\x12\x00\x00\x00\x00\x00\x01\x00\x00")
        client.wait_until_closed()


@pytest.mark.parametrize("times", [(-1, 2**63 - 1), (0, -(2**63)), (2**63 - 1, -(2**63))])
def test_decoded_records_with_impossible_timestamps_are_refused(times, channel, raw, topic):
    topic_id = raw.topic_id(topic).bytes
    records = [pb.Record(timestamp_ms=time_ms) for time_ms in times]
    request = pb.AppendRequest(appends=[pb.Append(topic_id=topic_id, partition=0, records=records)])
    reply = call_or_none(channel, "Append", request, pb.AppendResponse)
    if reply is not None:
        (result,) = reply.results
        assert result.refused.refusal == pb.REFUSAL_INVALID_TIMESTAMP
    assert raw.offset_at(topic, -1) == 0

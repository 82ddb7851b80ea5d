import pytest

from common.ports.partitions import Append, AppendResult, LogId, RecordError, Refusal
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.produce.handler import expects_response, produce
from gateway_svc.wire.apis.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.batches import TRANSACTIONAL_BIT, record_batch
from tests.support.wire.message_sets import message_set
from tests.support.wire.records import numbered
from tests.unit.gateway_svc.handlers.fake_cluster import NO_SUCH_ID, ORDERS, PAYMENTS, FakeCluster

BATCH = record_batch(numbered(3))


def topic_data(name: str, *partitions: tuple[int, object], topic_id: bytes = bytes(16)):
    data = [PartitionProduceData(index=index, records=records) for index, records in partitions]
    return TopicProduceData(name=name, topic_id=topic_id, partition_data=data)


def produce_request(*topics: TopicProduceData, acks: int = -1, transactional_id: str | None = None):
    return ProduceRequest(
        acks=acks, timeout_ms=1500, topic_data=topics, transactional_id=transactional_id
    )


def results(response):
    return [
        (
            topic.name or topic.topic_id,
            partition.index,
            partition.error_code,
            partition.base_offset,
        )
        for topic in response.responses
        for partition in topic.partition_responses
    ]


def only_partition(response):
    ((partition,),) = [topic.partition_responses for topic in response.responses]
    return partition


def test_produce_appends_batches_with_the_leader_epoch_and_returns_offsets():
    cluster = FakeCluster()
    response = cluster.send(
        produce,
        produce_request(topic_data("orders", (1, BATCH)), topic_data("payments", (0, BATCH))),
        9,
    )
    assert cluster.partitions.appends == [
        Append(LogId(ORDERS.topic_id, 1), BATCH, 7),
        Append(LogId(PAYMENTS.topic_id, 0), BATCH, 2),
    ]
    assert cluster.partitions.acks == [-1]
    assert results(response) == [
        ("orders", 1, ErrorCode.NONE, 100),
        ("payments", 0, ErrorCode.NONE, 101),
    ]


def test_produce_keeps_the_order_of_results_beside_early_errors():
    cluster = FakeCluster()
    response = cluster.send(
        produce,
        produce_request(
            topic_data("orders", (9, BATCH), (0, BATCH), (-1, BATCH)),
            topic_data("nowhere", (0, BATCH)),
            topic_data("orders", (2, None), (1, BATCH)),
        ),
        9,
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert results(response) == [
        ("orders", 9, unknown, -1),
        ("orders", 0, ErrorCode.NONE, 100),
        ("orders", -1, unknown, -1),
        ("nowhere", 0, unknown, -1),
        ("orders", 2, ErrorCode.INVALID_RECORD, -1),
        ("orders", 1, ErrorCode.NONE, 101),
    ]


def test_produce_appends_twice_to_a_repeated_partition():
    cluster = FakeCluster()
    other = record_batch(numbered(1))
    response = cluster.send(
        produce, produce_request(topic_data("orders", (0, BATCH), (0, other))), 9
    )
    assert [append.batch for append in cluster.partitions.appends] == [BATCH, other]
    assert [base for *_, base in results(response)] == [100, 101]


def test_produce_resolves_topic_ids_since_version_13():
    cluster = FakeCluster()
    response = cluster.send(
        produce,
        produce_request(
            topic_data("", (0, BATCH), topic_id=ORDERS.topic_id),
            topic_data("", (0, BATCH), topic_id=NO_SUCH_ID),
            topic_data("", (77, BATCH), topic_id=ORDERS.topic_id),
        ),
        13,
    )
    assert [(id_or_name, code) for id_or_name, _, code, _ in results(response)] == [
        (ORDERS.topic_id, ErrorCode.NONE),
        (NO_SUCH_ID, ErrorCode.UNKNOWN_TOPIC_ID),
        (ORDERS.topic_id, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


@pytest.mark.parametrize("acks", [-2, 2, 100])
def test_produce_rejects_invalid_acks(acks):
    cluster = FakeCluster()
    response = cluster.send(
        produce, produce_request(topic_data("orders", (0, BATCH)), acks=acks), 9
    )
    assert only_partition(response).error_code is ErrorCode.INVALID_REQUIRED_ACKS
    assert not cluster.partitions.appends


def test_produce_rejects_transactional_batches():
    cluster = FakeCluster()
    by_request = produce_request(topic_data("orders", (0, BATCH)), transactional_id="mine")
    by_batch = produce_request(
        topic_data("orders", (0, record_batch(numbered(1), attributes=TRANSACTIONAL_BIT)))
    )
    for request in (by_request, by_batch):
        partition = only_partition(cluster.send(produce, request, 9))
        assert partition.error_code is ErrorCode.INVALID_TXN_STATE
    assert not cluster.partitions.appends


@pytest.mark.parametrize(
    ("version", "error_code"),
    [
        (3, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (6, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (7, ErrorCode.NONE),
        (12, ErrorCode.NONE),
    ],
)
def test_produce_accepts_zstd_since_version_7(version, error_code):
    batch = record_batch(numbered(3), codec="zstd")
    response = FakeCluster().send(
        produce, produce_request(topic_data("orders", (0, batch))), version
    )
    assert only_partition(response).error_code is error_code


@pytest.mark.parametrize("magic", [0, 1])
def test_produce_rejects_message_sets_since_version_3(magic):
    messages = message_set(numbered(2, size=100), magic=magic)
    response = FakeCluster().send(produce, produce_request(topic_data("orders", (0, messages))), 3)
    assert only_partition(response).error_code is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4"])
def test_produce_converts_message_sets_of_old_versions(version, magic, codec):
    cluster = FakeCluster()
    messages = message_set(numbered(3), magic=magic, codec=codec)
    response = cluster.send(
        produce, produce_request(topic_data("orders", (0, messages), (1, messages))), version
    )
    assert [code for _, _, code, _ in results(response)] == [ErrorCode.NONE] * 2
    batch = cluster.partitions.appends[0].batch
    assert (batch[16], int.from_bytes(batch[57:61], "big")) == (2, 3)


def test_produce_converts_message_sets_of_existing_partitions_only(monkeypatch):
    converted = []

    def convert(records, version, message_bytes_max, count):
        converted.append((bytes(records), message_bytes_max))
        return BATCH

    monkeypatch.setattr("gateway_svc.handlers.produce.handler.convert_to_batch", convert)
    cluster = FakeCluster()
    request = produce_request(
        topic_data("orders", (0, b"a"), (9, b"b")), topic_data("nowhere", (0, b"c"))
    )
    response = cluster.send(produce, request, 2)
    assert [code for _, _, code, _ in results(response)] == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]
    assert converted == [(b"a", 1_048_588)]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_produce_rejects_a_message_larger_than_the_topic_accepts(version):
    messages = message_set(numbered(1, size=1_100_000), magic=0, codec="none")
    good = message_set(numbered(1), magic=0)
    cluster = FakeCluster()
    response = cluster.send(
        produce, produce_request(topic_data("orders", (0, messages), (1, good))), version
    )
    assert [code for _, _, code, _ in results(response)] == [
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.NONE,
    ]


def test_produce_rejects_only_the_corrupt_message_set():
    messages = bytearray(message_set(numbered(3), magic=1))
    messages[-1] ^= 1
    good = message_set(numbered(1), magic=1)
    response = FakeCluster().send(
        produce, produce_request(topic_data("orders", (0, bytes(messages)), (1, good))), 2
    )
    assert [code for _, _, code, _ in results(response)] == [
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.NONE,
    ]


@pytest.mark.parametrize("records", [None, b""])
def test_produce_accepts_empty_records_in_old_versions_only(records):
    old = only_partition(
        FakeCluster().send(produce, produce_request(topic_data("orders", (0, records))), 1)
    )
    assert (old.error_code, old.base_offset) == (ErrorCode.NONE, -1)
    new = only_partition(
        FakeCluster().send(produce, produce_request(topic_data("orders", (0, records))), 3)
    )
    assert new.error_code is ErrorCode.INVALID_RECORD


def test_produce_returns_message_and_record_errors_of_a_refusal():
    cluster = FakeCluster()
    cluster.partitions.append_results = [
        AppendResult(
            refusal=Refusal.INVALID_RECORD,
            message="a null key",
            record_errors=[RecordError(2, "no key")],
        )
    ]
    partition = only_partition(
        cluster.send(produce, produce_request(topic_data("orders", (0, BATCH))), 9)
    )
    assert (partition.error_code, partition.error_message) == (
        ErrorCode.INVALID_RECORD,
        "a null key",
    )
    assert [
        (record_error.batch_index, record_error.batch_index_error_message)
        for record_error in partition.record_errors
    ] == [(2, "no key")]


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal.NOT_OWNER,
        Refusal.MOVING,
        Refusal.FENCED_LEADER_EPOCH,
        Refusal.UNKNOWN_LEADER_EPOCH,
    ],
)
def test_not_leader_errors_name_the_leader(refusal):
    cluster = FakeCluster()
    cluster.partitions.append_results = [AppendResult(refusal=refusal, leader_epoch=9)]
    response = cluster.send(produce, produce_request(topic_data("orders", (0, BATCH))), 10)
    partition = only_partition(response)
    assert partition.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert partition.current_leader.leader_epoch == 9
    (endpoint,) = response.node_endpoints
    assert endpoint.node_id == partition.current_leader.leader_id
    assert (endpoint.host, endpoint.port) == (f"gateway-{endpoint.node_id}", 9092)


def test_produce_times_out_only_for_partitions_of_an_unavailable_owner():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("p-0: unreachable")
    response = cluster.send(
        produce, produce_request(topic_data("orders", (0, BATCH), (9, BATCH))), 9
    )
    assert [code for _, _, code, _ in results(response)] == [
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]


def test_produce_returns_log_append_time_and_log_start_offset():
    cluster = FakeCluster()
    cluster.partitions.append_results = [AppendResult(5, 1_700_000_000_000, 3)]
    partition = only_partition(
        cluster.send(produce, produce_request(topic_data("orders", (0, BATCH))), 5)
    )
    assert (partition.base_offset, partition.log_append_time_ms, partition.log_start_offset) == (
        5,
        1_700_000_000_000,
        3,
    )


@pytest.mark.parametrize("version", [2, 9])
def test_acks_0_has_no_response(version):
    messages = message_set(numbered(3), magic=1) if version < 3 else BATCH
    request = produce_request(topic_data("orders", (0, messages)), acks=0)
    assert not expects_response(request)
    assert FakeCluster().send(produce, request, version) is None


@pytest.mark.parametrize(
    "invalid",
    [
        pytest.param(produce_request(topic_data("nowhere", (0, BATCH)), acks=0), id="unknown"),
        pytest.param(produce_request(topic_data("orders", (0, b"x")), acks=0), id="corrupt"),
        pytest.param(
            produce_request(topic_data("orders", (0, BATCH)), acks=0, transactional_id="t"),
            id="txn",
        ),
    ],
)
def test_acks_0_with_an_error_closes_the_connection(invalid):
    cluster = FakeCluster()
    cluster.partitions.append_results = [AppendResult(refusal=Refusal.CORRUPT_MESSAGE)]
    assert cluster.disconnect_reason(produce, invalid, 9).startswith("Produce without a response: ")


def test_acks_0_with_an_unavailable_owner_closes_the_connection():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("p-0: unreachable")
    reason = cluster.disconnect_reason(
        produce, produce_request(topic_data("orders", (0, BATCH)), acks=0), 9
    )
    assert "REQUEST_TIMED_OUT for partition 0 of orders" in reason


def test_produce_times_out_only_for_the_partition_without_a_reply():
    cluster = FakeCluster()
    cluster.partitions.append_results = [
        AppendResult(100, log_start_offset=0),
        AppendResult(refusal=Refusal.NO_RESPONSE, message="no reply"),
    ]
    batch = record_batch(numbered(1))
    response = cluster.send(
        produce, produce_request(topic_data("orders", (0, batch), (1, batch))), 9
    )
    stored, failed = response.responses[0].partition_responses
    assert (stored.error_code, stored.base_offset) == (ErrorCode.NONE, 100)
    # The batch may be stored: only this error tells producers so.
    assert (failed.error_code, failed.error_message) == (ErrorCode.REQUEST_TIMED_OUT, "no reply")

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


def topic(name: str, *partitions: tuple[int, object], topic_id: bytes = bytes(16)):
    data = [PartitionProduceData(index=index, records=records) for index, records in partitions]
    return TopicProduceData(name=name, topic_id=topic_id, partition_data=data)


def request(*topics: TopicProduceData, acks: int = -1, transactional_id: str | None = None):
    return ProduceRequest(
        acks=acks, timeout_ms=1500, topic_data=topics, transactional_id=transactional_id
    )


def answers(response):
    return [
        (
            topic.name or topic.topic_id,
            partition_response.index,
            partition_response.error_code,
            partition_response.base_offset,
        )
        for topic in response.responses
        for partition_response in topic.partition_responses
    ]


def one_answer(response):
    ((only,),) = [topic.partition_responses for topic in response.responses]
    return only


def test_batches_go_to_their_logs_with_the_epoch_of_the_placement_and_offsets_come_back():
    cluster = FakeCluster()
    response = cluster.send(
        produce, request(topic("orders", (1, BATCH)), topic("payments", (0, BATCH))), 9
    )
    assert cluster.partitions.appends == [
        Append(LogId(ORDERS.topic_id, 1), BATCH, 7),
        Append(LogId(PAYMENTS.topic_id, 0), BATCH, 2),
    ]
    assert cluster.partitions.acks == [-1]
    assert answers(response) == [
        ("orders", 1, ErrorCode.NONE, 100),
        ("payments", 0, ErrorCode.NONE, 101),
    ]


def test_early_errors_do_not_shift_the_results_of_others():
    cluster = FakeCluster()
    response = cluster.send(
        produce,
        request(
            topic("orders", (9, BATCH), (0, BATCH), (-1, BATCH)),
            topic("nowhere", (0, BATCH)),
            topic("orders", (2, None), (1, BATCH)),
        ),
        9,
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answers(response) == [
        ("orders", 9, unknown, -1),
        ("orders", 0, ErrorCode.NONE, 100),
        ("orders", -1, unknown, -1),
        ("nowhere", 0, unknown, -1),
        ("orders", 2, ErrorCode.INVALID_RECORD, -1),
        ("orders", 1, ErrorCode.NONE, 101),
    ]


def test_a_partition_named_twice_is_appended_to_twice_in_order():
    cluster = FakeCluster()
    other = record_batch(numbered(1))
    response = cluster.send(produce, request(topic("orders", (0, BATCH), (0, other))), 9)
    assert [append.batch for append in cluster.partitions.appends] == [BATCH, other]
    assert [base for *_, base in answers(response)] == [100, 101]


def test_topics_are_found_by_id_from_version_13_on():
    cluster = FakeCluster()
    response = cluster.send(
        produce,
        request(
            topic("", (0, BATCH), topic_id=ORDERS.topic_id),
            topic("", (0, BATCH), topic_id=NO_SUCH_ID),
            topic("", (77, BATCH), topic_id=ORDERS.topic_id),
        ),
        13,
    )
    assert [(id_or_name, code) for id_or_name, _, code, _ in answers(response)] == [
        (ORDERS.topic_id, ErrorCode.NONE),
        (NO_SUCH_ID, ErrorCode.UNKNOWN_TOPIC_ID),
        (ORDERS.topic_id, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


@pytest.mark.parametrize("acks", [-2, 2, 100])
def test_acks_that_do_not_exist_are_refused_everywhere(acks):
    cluster = FakeCluster()
    response = cluster.send(produce, request(topic("orders", (0, BATCH)), acks=acks), 9)
    assert one_answer(response).error_code is ErrorCode.INVALID_REQUIRED_ACKS
    assert not cluster.partitions.appends


def test_transactions_are_not_open():
    cluster = FakeCluster()
    by_request = request(topic("orders", (0, BATCH)), transactional_id="mine")
    by_batch = request(
        topic("orders", (0, record_batch(numbered(1), attributes=TRANSACTIONAL_BIT)))
    )
    for asked in (by_request, by_batch):
        only = one_answer(cluster.send(produce, asked, 9))
        assert only.error_code is ErrorCode.INVALID_TXN_STATE
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
def test_zstd_may_be_used_from_version_7_on(version, error_code):
    batch = record_batch(numbered(3), codec="zstd")
    response = FakeCluster().send(produce, request(topic("orders", (0, batch))), version)
    assert one_answer(response).error_code is error_code


@pytest.mark.parametrize("magic", [0, 1])
def test_message_sets_are_no_batches_from_version_3_on(magic):
    sent = message_set(numbered(2, size=100), magic=magic)
    response = FakeCluster().send(produce, request(topic("orders", (0, sent))), 3)
    assert one_answer(response).error_code is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4"])
def test_message_sets_of_old_versions_become_batches(version, magic, codec):
    cluster = FakeCluster()
    sent = message_set(numbered(3), magic=magic, codec=codec)
    response = cluster.send(produce, request(topic("orders", (0, sent), (1, sent))), version)
    assert [code for _, _, code, _ in answers(response)] == [ErrorCode.NONE] * 2
    batch = cluster.partitions.appends[0].batch
    assert (batch[16], int.from_bytes(batch[57:61], "big")) == (2, 3)


def test_only_message_sets_for_partitions_that_exist_are_opened(monkeypatch):
    opened = []

    def converted(records, version, message_bytes_max, count):
        opened.append((bytes(records), message_bytes_max))
        return BATCH

    monkeypatch.setattr("gateway_svc.handlers.produce.handler.converted_batch", converted)
    cluster = FakeCluster()
    asked = request(topic("orders", (0, b"a"), (9, b"b")), topic("nowhere", (0, b"c")))
    response = cluster.send(produce, asked, 2)
    assert [code for _, _, code, _ in answers(response)] == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]
    assert opened == [(b"a", 1_048_588)]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_message_larger_than_the_topic_accepts_is_too_large(version):
    sent = message_set(numbered(1, size=1_100_000), magic=0, codec="none")
    good = message_set(numbered(1), magic=0)
    cluster = FakeCluster()
    response = cluster.send(produce, request(topic("orders", (0, sent), (1, good))), version)
    assert [code for _, _, code, _ in answers(response)] == [
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.NONE,
    ]


def test_a_damaged_message_set_is_corrupt_and_harms_no_other():
    sent = bytearray(message_set(numbered(3), magic=1))
    sent[-1] ^= 1
    good = message_set(numbered(1), magic=1)
    response = FakeCluster().send(produce, request(topic("orders", (0, bytes(sent)), (1, good))), 2)
    assert [code for _, _, code, _ in answers(response)] == [
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.NONE,
    ]


@pytest.mark.parametrize("nothing", [None, b""])
def test_nothing_at_all_is_fine_for_old_versions_only(nothing):
    old = one_answer(FakeCluster().send(produce, request(topic("orders", (0, nothing))), 1))
    assert (old.error_code, old.base_offset) == (ErrorCode.NONE, -1)
    new = one_answer(FakeCluster().send(produce, request(topic("orders", (0, nothing))), 3))
    assert new.error_code is ErrorCode.INVALID_RECORD


def test_a_refusal_comes_with_its_words_and_the_records_at_fault():
    cluster = FakeCluster()
    cluster.partitions.append_results = [
        AppendResult(
            refusal=Refusal.INVALID_RECORD,
            message="a null key",
            record_errors=[RecordError(2, "no key")],
        )
    ]
    only = one_answer(cluster.send(produce, request(topic("orders", (0, BATCH))), 9))
    assert (only.error_code, only.error_message) == (ErrorCode.INVALID_RECORD, "a null key")
    assert [
        (record_error.batch_index, record_error.batch_index_error_message)
        for record_error in only.record_errors
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
    response = cluster.send(produce, request(topic("orders", (0, BATCH))), 10)
    only = one_answer(response)
    assert only.error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert only.current_leader.leader_epoch == 9
    (endpoint,) = response.node_endpoints
    assert endpoint.node_id == only.current_leader.leader_id
    assert (endpoint.host, endpoint.port) == (f"gateway-{endpoint.node_id}", 9092)


def test_an_owner_that_does_not_answer_is_a_time_out_for_its_partitions_only():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("p-0: gone")
    response = cluster.send(produce, request(topic("orders", (0, BATCH), (9, BATCH))), 9)
    assert [code for _, _, code, _ in answers(response)] == [
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]


def test_log_append_time_and_log_start_are_passed_on():
    cluster = FakeCluster()
    cluster.partitions.append_results = [AppendResult(5, 1_700_000_000_000, 3)]
    only = one_answer(cluster.send(produce, request(topic("orders", (0, BATCH))), 5))
    assert (only.base_offset, only.log_append_time_ms, only.log_start_offset) == (
        5,
        1_700_000_000_000,
        3,
    )


@pytest.mark.parametrize("version", [2, 9])
def test_acks_0_has_no_answer(version):
    sent = message_set(numbered(3), magic=1) if version < 3 else BATCH
    asked = request(topic("orders", (0, sent)), acks=0)
    assert not expects_response(asked)
    assert FakeCluster().send(produce, asked, version) is None


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request(topic("nowhere", (0, BATCH)), acks=0), id="unknown"),
        pytest.param(request(topic("orders", (0, b"x")), acks=0), id="corrupt"),
        pytest.param(request(topic("orders", (0, BATCH)), acks=0, transactional_id="t"), id="txn"),
    ],
)
def test_acks_0_and_an_error_closes_the_connection(asked):
    cluster = FakeCluster()
    cluster.partitions.append_results = [AppendResult(refusal=Refusal.CORRUPT_MESSAGE)]
    assert cluster.disconnect_reason(produce, asked, 9).startswith("Produce without a response: ")


def test_acks_0_and_a_lost_owner_closes_the_connection():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("p-0: gone")
    reason = cluster.disconnect_reason(produce, request(topic("orders", (0, BATCH)), acks=0), 9)
    assert "REQUEST_TIMED_OUT for partition 0 of orders" in reason


def test_an_owner_that_did_not_answer_does_not_take_the_others_along():
    cluster = FakeCluster()
    cluster.partitions.append_results = [
        AppendResult(100, log_start_offset=0),
        AppendResult(refusal=Refusal.NO_RESPONSE, message="gone"),
    ]
    batch = record_batch(numbered(1))
    answered = cluster.send(produce, request(topic("orders", (0, batch), (1, batch))), 9).responses[
        0
    ]
    stored, lost = answered.partition_responses
    assert (stored.error_code, stored.base_offset) == (ErrorCode.NONE, 100)
    # It may be there: only this error says so to producers.
    assert (lost.error_code, lost.error_message) == (ErrorCode.REQUEST_TIMED_OUT, "gone")

import asyncio

import pytest

from common.ports.partitions import AbortedTransaction, FetchPartition, FetchResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.fetch.handler import fetch
from gateway_svc.wire.apis.fetch import FetchPartition as RequestedPartition
from gateway_svc.wire.apis.fetch import FetchRequest, FetchTopic
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.batches import record_batch
from tests.support.wire.message_sets import unpack_message_set
from tests.support.wire.records import numbered
from tests.unit.gateway_svc.handlers.fake_cluster import NO_SUCH_ID, ORDERS, FakeCluster


def asked(
    partition: int, *, offset: int = 0, max_bytes: int = 1000, epoch: int = -1
) -> RequestedPartition:
    return RequestedPartition(
        partition=partition,
        fetch_offset=offset,
        partition_max_bytes=max_bytes,
        current_leader_epoch=epoch,
    )


def request(*topics: FetchTopic, **fields: object) -> FetchRequest:
    usual = {"max_wait_ms": 500, "min_bytes": 1, "max_bytes": 1 << 20}
    return FetchRequest(topics=topics, **{**usual, **fields})


def orders(*partitions: RequestedPartition) -> FetchTopic:
    return FetchTopic(topic="orders", partitions=partitions)


def answers(response):
    return [
        (topic.topic or topic.topic_id, partition.partition_index, partition.error_code)
        for topic in response.responses
        for partition in topic.partitions
    ]


def one_answer(response):
    ((only,),) = [topic.partitions for topic in response.responses]
    return only


def test_a_query_has_all_fields_of_the_request():
    cluster = FakeCluster()
    cluster.send(
        fetch,
        request(
            orders(asked(2, offset=7, max_bytes=99, epoch=3), asked(0)),
            min_bytes=10,
            max_bytes=1050,
            isolation_level=1,
        ),
        11,
    )
    (query,) = cluster.partitions.fetches
    assert query.partitions == [
        FetchPartition(LogId(ORDERS.topic_id, 2), 7, 99, 3),
        FetchPartition(LogId(ORDERS.topic_id, 0), 0, 1000, -1),
    ]
    assert (query.max_wait_ms, query.min_bytes, query.max_bytes) == (500, 10, 1050)
    assert query.read_committed


def test_the_log_s_chunks_are_passed_on_as_they_are():
    cluster = FakeCluster()
    chunks = [b"one", b"two"]
    cluster.partitions.fetch_results = [FetchResult(chunks, 9, 8, 1, 7)]
    only = one_answer(cluster.send(fetch, request(orders(asked(0))), 11))
    assert only.records is chunks
    assert (only.high_watermark, only.last_stable_offset, only.log_start_offset) == (9, 8, 1)
    assert (only.preferred_read_replica, only.aborted_transactions) == (-1, None)


def test_read_committed_responses_list_aborted_transactions():
    cluster = FakeCluster()
    cluster.partitions.fetch_results = [FetchResult(aborted=[AbortedTransaction(5, 6)])]
    only = one_answer(cluster.send(fetch, request(orders(asked(0)), isolation_level=1), 4))
    assert [
        (aborted_transaction.producer_id, aborted_transaction.first_offset)
        for aborted_transaction in only.aborted_transactions
    ] == [(5, 6)]


@pytest.mark.parametrize(("session_id", "epoch"), [(0, -1), (0, 0), (77, 0), (77, -1)], ids=str)
def test_a_full_request_is_answered_and_makes_no_session(session_id, epoch):
    asked_for = request(orders(asked(0)), session_id=session_id, session_epoch=epoch)
    response = FakeCluster().send(fetch, asked_for, 11)
    assert (response.error_code, response.session_id) == (ErrorCode.NONE, 0)
    assert one_answer(response).error_code is ErrorCode.NONE


@pytest.mark.parametrize(("session_id", "epoch"), [(77, 1), (0, 1), (77, 2**31 - 1)], ids=str)
def test_a_request_within_a_session_finds_none(session_id, epoch):
    asked_for = request(orders(asked(0)), session_id=session_id, session_epoch=epoch)
    response = FakeCluster().send(fetch, asked_for, 11)
    assert response.error_code is ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert not response.responses


def test_an_error_is_returned_at_once():
    cluster = FakeCluster()
    response = cluster.send(
        fetch,
        request(orders(asked(0), asked(9)), FetchTopic(topic="nowhere", partitions=[asked(0)])),
        11,
    )
    assert answers(response) == [
        ("orders", 0, ErrorCode.NONE),
        ("orders", 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("nowhere", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    assert cluster.partitions.fetches[0].max_wait_ms == 0


def test_an_empty_request_has_an_empty_response():
    cluster = FakeCluster()
    assert cluster.send(fetch, request(), 11).responses == []
    assert not cluster.partitions.fetches


def test_topics_are_found_by_id_from_version_13_on_and_never_by_name():
    response = FakeCluster().send(
        fetch,
        request(
            FetchTopic(topic_id=ORDERS.topic_id, partitions=[asked(0), asked(9)]),
            FetchTopic(topic_id=NO_SUCH_ID, partitions=[asked(0)]),
        ),
        13,
    )
    assert answers(response) == [
        (ORDERS.topic_id, 0, ErrorCode.NONE),
        (ORDERS.topic_id, 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (NO_SUCH_ID, 0, ErrorCode.UNKNOWN_TOPIC_ID),
    ]


def test_of_a_repeated_partition_the_last_is_served():
    cluster = FakeCluster()
    response = cluster.send(
        fetch, request(orders(asked(0, offset=1), asked(1)), orders(asked(0, offset=5))), 11
    )
    assert answers(response) == [("orders", 0, ErrorCode.NONE), ("orders", 1, ErrorCode.NONE)]
    assert [partition.fetch_offset for partition in cluster.partitions.fetches[0].partitions] == [
        5,
        0,
    ]


def test_limits_of_the_gateway_bound_what_clients_ask():
    cluster = FakeCluster(fetch_max_bytes=2000, connections_max_idle_ms=3000)
    cluster.send(
        fetch,
        request(
            orders(asked(0, max_bytes=2**31 - 1)),
            max_bytes=2**31 - 1,
            min_bytes=10_000,
            max_wait_ms=2**31 - 1,
        ),
        11,
    )
    (query,) = cluster.partitions.fetches
    assert (query.max_bytes, query.min_bytes, query.max_wait_ms) == (2000, 2000, 3000)


def test_no_more_is_promised_than_the_partitions_may_answer():
    cluster = FakeCluster()
    cluster.send(fetch, request(orders(asked(0, max_bytes=30), asked(1, max_bytes=50))), 11)
    assert cluster.partitions.fetches[0].max_bytes == 80


def test_answers_are_smaller_where_memory_is_short():
    cluster = FakeCluster()
    cluster.memory_used = 60 << 20
    cluster.send(fetch, request(orders(asked(0, max_bytes=8 << 20)), max_bytes=8 << 20), 11)
    assert cluster.partitions.fetches[0].max_bytes == 1 << 20


def test_negative_limits_count_as_none():
    cluster = FakeCluster()
    cluster.send(fetch, request(orders(asked(0)), max_bytes=-5, min_bytes=-5, max_wait_ms=-5), 11)
    (query,) = cluster.partitions.fetches
    assert (query.max_bytes, query.min_bytes, query.max_wait_ms) == (0, -5, 0)


def test_a_refused_partition_has_no_offsets():
    cluster = FakeCluster()
    cluster.partitions.fetch_results = [
        FetchResult(high_watermark=9, refusal=Refusal.OFFSET_OUT_OF_RANGE)
    ]
    only = one_answer(cluster.send(fetch, request(orders(asked(0))), 11))
    assert only.error_code is ErrorCode.OFFSET_OUT_OF_RANGE
    assert (only.high_watermark, only.log_start_offset, only.records) == (-1, -1, b"")


@pytest.mark.parametrize(
    ("refusal", "error_code"),
    [
        (Refusal.NOT_OWNER, ErrorCode.NOT_LEADER_OR_FOLLOWER),
        (Refusal.NO_RESPONSE, ErrorCode.NOT_LEADER_OR_FOLLOWER),
        (Refusal.FENCED_LEADER_EPOCH, ErrorCode.FENCED_LEADER_EPOCH),
    ],
)
def test_leader_errors_name_the_leader(refusal, error_code):
    cluster = FakeCluster()
    cluster.partitions.fetch_results = [FetchResult(refusal=refusal, leader_epoch=3)]
    topic = FetchTopic(topic_id=ORDERS.topic_id, partitions=[asked(0)])
    response = cluster.send(fetch, request(topic), 16)
    only = one_answer(response)
    assert (only.error_code, only.current_leader.leader_epoch) == (error_code, 7)
    assert [endpoint.node_id for endpoint in response.node_endpoints] == [
        only.current_leader.leader_id
    ]


def test_an_owner_that_does_not_answer_is_retriable():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("gone")
    response = cluster.send(fetch, request(orders(asked(0), asked(9))), 11)
    assert answers(response) == [
        ("orders", 0, ErrorCode.NOT_LEADER_OR_FOLLOWER),
        ("orders", 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


@pytest.mark.parametrize(("version", "magic"), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_old_versions_get_message_sets(version, magic):
    cluster = FakeCluster()
    sent = numbered(3)
    cluster.partitions.fetch_results = [FetchResult([record_batch(sent)], 3, 3, 0, 7)]
    only = one_answer(cluster.send(fetch, request(orders(asked(0))), version))
    messages = unpack_message_set(b"".join(only.records))
    assert [message.value for message in messages] == [record.value for record in sent]
    assert {message.magic for message in messages} == {magic}


@pytest.mark.parametrize("version", [0, 3, 4, 9])
def test_zstd_cannot_be_fetched_before_version_10(version):
    cluster = FakeCluster()
    batch = record_batch(numbered(1), codec="zstd")
    cluster.partitions.fetch_results = [FetchResult([batch], 3, 3, 0, 7)]
    only = one_answer(cluster.send(fetch, request(orders(asked(0))), version))
    assert only.error_code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


def test_inconvertible_batches_are_corrupt():
    cluster = FakeCluster()
    batch = record_batch(numbered(1), payload=b"garbage")
    cluster.partitions.fetch_results = [FetchResult([batch], 3, 3, 0, 7)]
    only = one_answer(cluster.send(fetch, request(orders(asked(0))), 2))
    assert only.error_code is ErrorCode.CORRUPT_MESSAGE


def test_a_gateway_that_stops_answers_long_polls_with_what_is_there():
    cluster = FakeCluster()

    waiting = asyncio.Event()

    async def wait_if_asked(query):
        if query.max_wait_ms:
            waiting.set()
            await asyncio.Event().wait()
        return [FetchResult([], 4, 4, 0, 7)]

    cluster.partitions.on_fetch = wait_if_asked

    async def scenario():
        poll = asyncio.create_task(fetch(request(orders(asked(0))), cluster.context(11)))
        await waiting.wait()
        cluster.backends.long_polls.close()
        assert one_answer(await poll).high_watermark == 4
        late = await fetch(request(orders(asked(0))), cluster.context(11))
        assert one_answer(late).high_watermark == 4

    asyncio.run(scenario())
    assert [query.max_wait_ms for query in cluster.partitions.fetches] == [500, 0, 0]

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


def fetch_partition(
    index: int, *, offset: int = 0, max_bytes: int = 1000, epoch: int = -1
) -> RequestedPartition:
    return RequestedPartition(
        partition=index,
        fetch_offset=offset,
        partition_max_bytes=max_bytes,
        current_leader_epoch=epoch,
    )


def fetch_request(*topics: FetchTopic, **fields: object) -> FetchRequest:
    defaults = {"max_wait_ms": 500, "min_bytes": 1, "max_bytes": 1 << 20}
    return FetchRequest(topics=topics, **{**defaults, **fields})


def orders(*partitions: RequestedPartition) -> FetchTopic:
    return FetchTopic(topic="orders", partitions=partitions)


def errors(response):
    return [
        (topic.topic or topic.topic_id, partition.partition_index, partition.error_code)
        for topic in response.responses
        for partition in topic.partitions
    ]


def only_partition(response):
    ((partition,),) = [topic.partitions for topic in response.responses]
    return partition


def test_fetch_queries_the_owner_with_all_fields():
    cluster = FakeCluster()
    cluster.send(
        fetch,
        fetch_request(
            orders(fetch_partition(2, offset=7, max_bytes=99, epoch=3), fetch_partition(0)),
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


def test_fetch_returns_the_chunks_of_the_log_unchanged():
    cluster = FakeCluster()
    chunks = [b"one", b"two"]
    cluster.partitions.fetch_results = [FetchResult(chunks, 9, 8, 1, 7)]
    partition = only_partition(cluster.send(fetch, fetch_request(orders(fetch_partition(0))), 11))
    assert partition.records is chunks
    assert (partition.high_watermark, partition.last_stable_offset, partition.log_start_offset) == (
        9,
        8,
        1,
    )
    assert (partition.preferred_read_replica, partition.aborted_transactions) == (-1, None)


def test_fetch_read_committed_returns_aborted_transactions():
    cluster = FakeCluster()
    cluster.partitions.fetch_results = [FetchResult(aborted=[AbortedTransaction(5, 6)])]
    partition = only_partition(
        cluster.send(fetch, fetch_request(orders(fetch_partition(0)), isolation_level=1), 4)
    )
    assert [
        (aborted_transaction.producer_id, aborted_transaction.first_offset)
        for aborted_transaction in partition.aborted_transactions
    ] == [(5, 6)]


@pytest.mark.parametrize(("session_id", "epoch"), [(0, -1), (0, 0), (77, 0), (77, -1)], ids=str)
def test_full_fetch_request_creates_no_session(session_id, epoch):
    request = fetch_request(orders(fetch_partition(0)), session_id=session_id, session_epoch=epoch)
    response = FakeCluster().send(fetch, request, 11)
    assert (response.error_code, response.session_id) == (ErrorCode.NONE, 0)
    assert only_partition(response).error_code is ErrorCode.NONE


@pytest.mark.parametrize(("session_id", "epoch"), [(77, 1), (0, 1), (77, 2**31 - 1)], ids=str)
def test_fetch_request_in_a_session_returns_session_not_found(session_id, epoch):
    request = fetch_request(orders(fetch_partition(0)), session_id=session_id, session_epoch=epoch)
    response = FakeCluster().send(fetch, request, 11)
    assert response.error_code is ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert not response.responses


def test_fetch_with_an_error_does_not_wait():
    cluster = FakeCluster()
    response = cluster.send(
        fetch,
        fetch_request(
            orders(fetch_partition(0), fetch_partition(9)),
            FetchTopic(topic="nowhere", partitions=[fetch_partition(0)]),
        ),
        11,
    )
    assert errors(response) == [
        ("orders", 0, ErrorCode.NONE),
        ("orders", 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("nowhere", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]
    assert cluster.partitions.fetches[0].max_wait_ms == 0


def test_empty_fetch_request_has_an_empty_response():
    cluster = FakeCluster()
    assert cluster.send(fetch, fetch_request(), 11).responses == []
    assert not cluster.partitions.fetches


def test_fetch_resolves_topic_ids_since_version_13():
    response = FakeCluster().send(
        fetch,
        fetch_request(
            FetchTopic(
                topic_id=ORDERS.topic_id, partitions=[fetch_partition(0), fetch_partition(9)]
            ),
            FetchTopic(topic_id=NO_SUCH_ID, partitions=[fetch_partition(0)]),
        ),
        13,
    )
    assert errors(response) == [
        (ORDERS.topic_id, 0, ErrorCode.NONE),
        (ORDERS.topic_id, 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (NO_SUCH_ID, 0, ErrorCode.UNKNOWN_TOPIC_ID),
    ]


def test_fetch_serves_the_last_of_repeated_partitions():
    cluster = FakeCluster()
    response = cluster.send(
        fetch,
        fetch_request(
            orders(fetch_partition(0, offset=1), fetch_partition(1)),
            orders(fetch_partition(0, offset=5)),
        ),
        11,
    )
    assert errors(response) == [("orders", 0, ErrorCode.NONE), ("orders", 1, ErrorCode.NONE)]
    assert [partition.fetch_offset for partition in cluster.partitions.fetches[0].partitions] == [
        5,
        0,
    ]


def test_fetch_is_bounded_by_limits_of_the_gateway():
    cluster = FakeCluster(fetch_max_bytes=2000, connections_max_idle_ms=3000)
    cluster.send(
        fetch,
        fetch_request(
            orders(fetch_partition(0, max_bytes=2**31 - 1)),
            max_bytes=2**31 - 1,
            min_bytes=10_000,
            max_wait_ms=2**31 - 1,
        ),
        11,
    )
    (query,) = cluster.partitions.fetches
    assert (query.max_bytes, query.min_bytes, query.max_wait_ms) == (2000, 2000, 3000)


def test_fetch_max_bytes_is_bounded_by_the_sum_of_partition_limits():
    cluster = FakeCluster()
    cluster.send(
        fetch,
        fetch_request(orders(fetch_partition(0, max_bytes=30), fetch_partition(1, max_bytes=50))),
        11,
    )
    assert cluster.partitions.fetches[0].max_bytes == 80


def test_fetch_response_is_smaller_if_memory_is_short():
    cluster = FakeCluster()
    cluster.memory_used = 60 << 20
    cluster.send(
        fetch, fetch_request(orders(fetch_partition(0, max_bytes=8 << 20)), max_bytes=8 << 20), 11
    )
    assert cluster.partitions.fetches[0].max_bytes == 1 << 20


def test_fetch_treats_negative_limits_as_zero():
    cluster = FakeCluster()
    cluster.send(
        fetch,
        fetch_request(orders(fetch_partition(0)), max_bytes=-5, min_bytes=-5, max_wait_ms=-5),
        11,
    )
    (query,) = cluster.partitions.fetches
    assert (query.max_bytes, query.min_bytes, query.max_wait_ms) == (0, -5, 0)


def test_refused_fetch_partition_has_no_offsets():
    cluster = FakeCluster()
    cluster.partitions.fetch_results = [
        FetchResult(high_watermark=9, refusal=Refusal.OFFSET_OUT_OF_RANGE)
    ]
    partition = only_partition(cluster.send(fetch, fetch_request(orders(fetch_partition(0))), 11))
    assert partition.error_code is ErrorCode.OFFSET_OUT_OF_RANGE
    assert (partition.high_watermark, partition.log_start_offset, partition.records) == (
        -1,
        -1,
        b"",
    )


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
    topic = FetchTopic(topic_id=ORDERS.topic_id, partitions=[fetch_partition(0)])
    response = cluster.send(fetch, fetch_request(topic), 16)
    partition = only_partition(response)
    assert (partition.error_code, partition.current_leader.leader_epoch) == (error_code, 7)
    assert [endpoint.node_id for endpoint in response.node_endpoints] == [
        partition.current_leader.leader_id
    ]


def test_fetch_is_retriable_if_the_owner_is_unavailable():
    cluster = FakeCluster()
    cluster.partitions.error = BackendUnavailable("unreachable")
    response = cluster.send(
        fetch, fetch_request(orders(fetch_partition(0), fetch_partition(9))), 11
    )
    assert errors(response) == [
        ("orders", 0, ErrorCode.NOT_LEADER_OR_FOLLOWER),
        ("orders", 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]


@pytest.mark.parametrize(("version", "magic"), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_fetch_returns_message_sets_to_old_versions(version, magic):
    cluster = FakeCluster()
    records = numbered(3)
    cluster.partitions.fetch_results = [FetchResult([record_batch(records)], 3, 3, 0, 7)]
    partition = only_partition(
        cluster.send(fetch, fetch_request(orders(fetch_partition(0))), version)
    )
    messages = unpack_message_set(b"".join(partition.records))
    assert [message.value for message in messages] == [record.value for record in records]
    assert {message.magic for message in messages} == {magic}


@pytest.mark.parametrize("version", [0, 3, 4, 9])
def test_fetch_of_zstd_is_unsupported_before_version_10(version):
    cluster = FakeCluster()
    batch = record_batch(numbered(1), codec="zstd")
    cluster.partitions.fetch_results = [FetchResult([batch], 3, 3, 0, 7)]
    partition = only_partition(
        cluster.send(fetch, fetch_request(orders(fetch_partition(0))), version)
    )
    assert partition.error_code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


def test_fetch_returns_corrupt_message_for_inconvertible_batches():
    cluster = FakeCluster()
    batch = record_batch(numbered(1), payload=b"garbage")
    cluster.partitions.fetch_results = [FetchResult([batch], 3, 3, 0, 7)]
    partition = only_partition(cluster.send(fetch, fetch_request(orders(fetch_partition(0))), 2))
    assert partition.error_code is ErrorCode.CORRUPT_MESSAGE


def test_long_polls_return_available_records_when_the_gateway_stops():
    cluster = FakeCluster()

    waiting = asyncio.Event()

    async def wait_if_allowed(query):
        if query.max_wait_ms:
            waiting.set()
            await asyncio.Event().wait()
        return [FetchResult([], 4, 4, 0, 7)]

    cluster.partitions.on_fetch = wait_if_allowed

    async def scenario():
        poll = asyncio.create_task(
            fetch(fetch_request(orders(fetch_partition(0))), cluster.context(11))
        )
        await waiting.wait()
        cluster.backends.long_polls.close()
        assert only_partition(await poll).high_watermark == 4
        late = await fetch(fetch_request(orders(fetch_partition(0))), cluster.context(11))
        assert only_partition(late).high_watermark == 4

    asyncio.run(scenario())
    assert [query.max_wait_ms for query in cluster.partitions.fetches] == [500, 0, 0]

"""The fast path returns the same bytes as the slow path, and sends the same appends to owners."""

import asyncio
import random
import re
from collections import Counter
from dataclasses import replace

import pytest

from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.partitions import AppendResult, RecordError, Refusal
from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.dispatcher import Dispatcher
from gateway_svc.dispatch.reply import Deferred, Disconnect, PendingResponse
from gateway_svc.dispatch.route import overlapping_route
from gateway_svc.handlers.produce import fast_path
from gateway_svc.handlers.produce.fast_path import single_batch_fast_paths
from gateway_svc.handlers.produce.handler import expects_response, produce
from gateway_svc.handlers.produce.response_template import ResponseTemplate
from gateway_svc.wire.apis.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from gateway_svc.wire.codec import encode
from gateway_svc.wire.envelope import kind_of
from gateway_svc.wire.violations import ProtocolViolation
from tests.support.stores.partition_core import LOG, read_everything, running_core, snapshot, topic
from tests.support.wire.batches import TRANSACTIONAL_BIT, record_batch
from tests.support.wire.mutated_batches import MutatedBatches
from tests.support.wire.records import numbered
from tests.unit.gateway_svc.handlers.fake_cluster import NO_SUCH_ID, ORDERS, PEER, FakeCluster

BATCH = record_batch(numbered(3))
VERSIONS = range(9, PRODUCE.version_max + 1)
SLOW = overlapping_route(PRODUCE, produce, expects_response=expects_response)
FAST = overlapping_route(
    PRODUCE, produce, expects_response=expects_response, fast_paths=single_batch_fast_paths
)


def frame(
    version,
    *,
    known=True,
    partition=1,
    records=BATCH,
    acks=-1,
    timeout_ms=1500,
    tags=b"\0",
    correlation_id=7,
):
    topic = TopicProduceData(
        name=("orders" if known else "nowhere") if version < 13 else "",
        topic_id=(ORDERS.topic_id if known else NO_SUCH_ID) if version >= 13 else bytes(16),
        partition_data=[PartitionProduceData(index=partition, records=records)],
    )
    request = ProduceRequest(acks=acks, timeout_ms=timeout_ms, topic_data=[topic])
    head = bytes(2) + version.to_bytes(2, "big") + correlation_id.to_bytes(4, "big")
    head += b"\0\1c" + tags
    return head + b"".join(encode(request, version, True))


async def respond(start, request_frame):
    """Returns the response of a connection to one frame, None, or the error that closes it."""
    try:
        reply = start(request_frame)
        if isinstance(reply, Deferred):
            reply = reply.start()
        if isinstance(reply, PendingResponse):
            await asyncio.wait([reply.future])
            reply = reply.finish()
        return None if reply is None else b"".join(reply)
    except (ProtocolViolation, Disconnect) as error:
        return type(error), str(error)


def send(route, request_frame, *, results=None, error=None, is_late=False):
    """Returns the response's bytes, the appends and acks that owners got, and the time limit."""

    async def scenario():
        cluster = FakeCluster()
        cluster.partitions.append_results, cluster.partitions.error = results, error
        reply = Dispatcher({0: route}, cluster.backends).connect(PEER)(request_frame)
        if isinstance(reply, PendingResponse):
            timeout_ms = reply.timeout_ms
            await asyncio.wait([reply.future])
            reply = reply.expire() if is_late else reply.finish()
        else:
            timeout_ms = None
        reply = b"".join(reply)
        return reply, cluster.partitions.appends, cluster.partitions.acks, timeout_ms

    return asyncio.run(scenario())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("acks", [-1, 1])
@pytest.mark.parametrize("timeout_ms", [0, 1500])
@pytest.mark.parametrize(
    "outcome",
    [
        {},
        {"results": [AppendResult(5, 1_700_000_000_000, 3)]},
        {"results": [AppendResult(refusal=Refusal.NOT_OWNER, leader_epoch=9)]},
        {
            "results": [
                AppendResult(
                    refusal=Refusal.INVALID_RECORD, message="m", record_errors=[RecordError(1, "r")]
                )
            ]
        },
        {"error": BackendUnavailable("unreachable")},
        {"is_late": True},
    ],
    ids=["stored", "stamped", "not owner", "invalid", "unavailable", "late"],
)
def test_fast_path_returns_the_same_response_for_every_outcome(version, acks, timeout_ms, outcome):
    request_frame = frame(version, acks=acks, timeout_ms=timeout_ms)
    assert send(FAST, request_frame, **outcome) == send(SLOW, request_frame, **outcome)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "fields",
    [
        {"known": False},
        {"partition": -1},
        {"partition": 3},
        {"acks": 2},
        {"records": None},
        {"tags": b"\1\0\1x"},
    ],
    ids=["topic", "negative", "partition", "acks", "null", "tags"],
)
def test_fast_path_returns_the_same_response_to_unusual_requests(version, fields):
    request_frame = frame(version, **fields)
    assert send(FAST, request_frame) == send(SLOW, request_frame)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "records",
    [
        record_batch(numbered(1), attributes=TRANSACTIONAL_BIT),
        BATCH[:16] + b"\1" + BATCH[17:],
        BATCH[:60],
        b"x",
    ],
    ids=["transaction", "magic", "cut", "corrupt"],
)
def test_fast_path_returns_the_same_message_of_a_refusal(version, records):
    refusals = [AppendResult(refusal=Refusal.CORRUPT_MESSAGE, message="of the owner")]
    request_frame = frame(version, records=records)
    fast, *_ = send(FAST, request_frame, results=refusals)
    slow, *_ = send(SLOW, request_frame, results=refusals)
    assert fast == slow


def test_fast_path_has_no_response_to_acks_0():
    async def scenario():
        cluster = FakeCluster()
        reply = Dispatcher({0: FAST}, cluster.backends).connect(PEER)(frame(9, acks=0))
        await asyncio.wait([reply.future])
        return reply.finish(), cluster.partitions.acks

    assert asyncio.run(scenario()) == (None, [0])


def test_fast_path_handles_usual_requests():
    def never(request, context):
        raise AssertionError("decoded")

    route = overlapping_route(
        PRODUCE, never, expects_response=expects_response, fast_paths=single_batch_fast_paths
    )
    for version in VERSIONS:
        assert send(route, frame(version)) == send(SLOW, frame(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_exception_in_the_fast_path_is_an_error_and_keeps_the_connection(version, caplog):
    def broken(frame, caller):
        raise RuntimeError("a bug")

    def broken_too(request, context):
        raise RuntimeError("a bug")

    fast = overlapping_route(
        PRODUCE, produce, expects_response=expects_response, fast_paths=lambda *_: {version: broken}
    )
    slow = overlapping_route(PRODUCE, broken_too, expects_response=expects_response)
    assert send(fast, frame(version)) == send(slow, frame(version))
    assert [record.message for record in caplog.records] == [
        f"Produce v{version} from 'c' failed"
    ] * 2


@pytest.mark.parametrize("version", VERSIONS)
def test_exception_in_the_fast_response_is_logged_once_and_the_slow_path_responds(
    version, caplog, monkeypatch
):
    def broken(self, request_frame, stored):
        raise RuntimeError("a bug")

    request_frame = frame(version)
    expected = send(SLOW, request_frame)
    monkeypatch.setattr(ResponseTemplate, "frame", broken)
    assert send(FAST, request_frame) == expected
    (record,) = caplog.records
    assert record.message == f"the fast path failed to respond to Produce v{version}"
    assert str(record.exc_info[1]) == "a bug"


def test_exception_in_the_owner_is_logged_once_on_both_paths(caplog):
    request_frame = frame(9)
    fast = send(FAST, request_frame, error=RuntimeError("a bug"))
    assert [record.message for record in caplog.records] == ["Produce v9 from 'c' failed"]
    assert fast == send(SLOW, request_frame, error=RuntimeError("a bug"))


@pytest.mark.parametrize("version", VERSIONS)
def test_fast_path_responds_to_each_of_requests_with_an_equal_prefix(version):
    frames = [
        frame(version, correlation_id=1),
        frame(version, correlation_id=2, records=record_batch(numbered(1))),
        frame(version, correlation_id=3, records=record_batch(numbered(100))),
        frame(version, correlation_id=4, partition=0),
        frame(version, correlation_id=5, acks=1),
        frame(version, correlation_id=6),
    ]

    async def scenario(route):
        cluster = FakeCluster()
        dispatch = Dispatcher({0: route}, cluster.backends)
        # Two connections, whose errors name different leader addresses.
        connections = [dispatch.connect(PEER), dispatch.connect(PEER._replace(listener="EXTERNAL"))]
        responses = [
            await respond(connections[number % 2], request_frame)
            for number, request_frame in enumerate(frames)
        ]
        cluster.partitions.append_results = [
            AppendResult(refusal=Refusal.NOT_OWNER, leader_epoch=9)
        ]
        responses += [await respond(connection, frames[0]) for connection in connections]
        return responses, cluster.partitions.appends, cluster.partitions.acks

    assert asyncio.run(scenario(FAST)) == asyncio.run(scenario(SLOW))


@pytest.mark.parametrize("version", VERSIONS)
def test_prefix_cache_is_discarded_with_its_cluster_view(version):
    moved = Topic(ORDERS.topic_id, "orders", (Placement("p-1", 8),) * 3)
    with_one_partition = Topic(ORDERS.topic_id, "orders", (Placement("p-1", 8),))
    recreated = Topic(b"orders again----", "orders", (Placement("p-1", 0),) * 3)
    changes = [
        {"topics": [moved]},
        {"topics": [with_one_partition]},
        {"topics": [moved]},
        {"deleted_topics": [ORDERS.topic_id]},
        {"topics": [recreated]},
    ]

    async def scenario(route):
        cluster = FakeCluster()
        view = cluster.backends.view
        connection = Dispatcher({0: route}, cluster.backends).connect(PEER)
        responses = [await respond(connection, frame(version))]
        for revision, change in enumerate(changes, view.revision + 1):
            view.apply(ClusterChange(revision, view.cluster_id, **change))
            responses.append(await respond(connection, frame(version)))
        return responses, cluster.partitions.appends

    fast, slow = asyncio.run(scenario(FAST)), asyncio.run(scenario(SLOW))
    assert fast == slow
    epochs = [(append.log.topic_id, append.leader_epoch) for append in fast[1]]
    expected = [(ORDERS.topic_id, 7), (ORDERS.topic_id, 8), (ORDERS.topic_id, 8)]
    assert epochs == expected + ([(recreated.topic_id, 0)] if version < 13 else [])


def test_prefix_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(fast_path, "_CACHED_MAX", 3)

    async def scenario():
        cluster = FakeCluster()
        dispatch = Dispatcher({0: FAST}, cluster.backends)
        connection = dispatch.connect(PEER)
        for timeout_ms in range(1000, 1020):
            assert await respond(connection, frame(9, timeout_ms=timeout_ms))
        return len(dispatch.fast_paths[kind_of(0, 9)].__self__._cache)

    assert 0 < asyncio.run(scenario()) <= 3


TOPIC = replace(topic(), name="orders", partitions=topic().partitions[:3])


def connected(route, core):
    cluster = FakeCluster()
    cluster.view.apply(snapshot(TOPIC, revision=2))
    backends = replace(cluster.backends, partitions=core)
    return Dispatcher({0: route}, backends).connect(PEER)


def mutated_frame(rng):
    """Returns a random frame, usually with changed bytes, a missing end or trailing bytes."""
    producer = (rng.randrange(3), 0, rng.randrange(20)) if rng.random() < 0.5 else None
    batch = record_batch(
        numbered(rng.randrange(1, 4), size=rng.choice((10, 300, 1500))),
        producer=producer or (-1, -1, -1),
        base_timestamp_ms=1_700_000_000_000,
    )
    request_frame = bytearray(
        frame(
            rng.choice(VERSIONS),
            partition=rng.randrange(4),
            acks=rng.choice((-1, 1, 1, 0)),
            correlation_id=rng.randrange(1 << 31),
            records=batch,
        ).replace(ORDERS.topic_id, TOPIC.topic_id)
    )
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        # Not the first two bytes: the API stays Produce.
        position = rng.randrange(2, min(len(request_frame), 130))
        request_frame[position] = rng.choice(
            (request_frame[position] ^ 1 << rng.randrange(8), 0, 255)
        )
    if rng.random() < 0.1:
        del request_frame[rng.randrange(len(request_frame)) :]
    return bytes(request_frame) + rng.randbytes(rng.choice((0,) * 19 + (3,)))


@pytest.mark.parametrize("seed", range(3))
def test_fast_path_returns_and_stores_the_same_for_random_frames(tmp_path, seed):
    async def scenario():
        rng, outcomes = random.Random(seed), Counter()
        async with (
            running_core(tmp_path / "fast", TOPIC) as fast_core,
            running_core(tmp_path / "slow", TOPIC) as slow_core,
        ):
            fast, slow = connected(FAST, fast_core), connected(SLOW, slow_core)
            for _ in range(500):
                request_frame = mutated_frame(rng)
                response = await respond(fast, request_frame)
                assert response == await respond(slow, request_frame), request_frame[:200]
                outcomes[response[0] if isinstance(response, tuple) else type(response)] += 1
            for partition in range(3):
                log = LOG._replace(partition=partition)
                batches = await read_everything(fast_core, log)
                assert len(batches) > 10
                assert batches == await read_everything(slow_core, log)
        return outcomes

    assert {bytes, type(None), ProtocolViolation, Disconnect} == set(asyncio.run(scenario()))


@pytest.mark.parametrize("validate_records", ["header", "full"])
def test_fast_path_returns_and_stores_the_same_for_random_batches(tmp_path, validate_records):
    """Batches have a valid CRC; several are in flight, so that some wait for a validation."""

    async def scenario():
        batches, rng = MutatedBatches(5, 1_700_000_000_000), random.Random(5)
        settings = {"validate_records": validate_records, "cleaner_enable": False}
        async with (
            running_core(tmp_path / "fast", TOPIC, **settings) as fast_core,
            running_core(tmp_path / "slow", TOPIC, **settings) as slow_core,
        ):
            connections = connected(FAST, fast_core), connected(SLOW, slow_core)
            for _ in range(60):
                frames = [
                    frame(9, partition=rng.randrange(3), records=batches.next()).replace(
                        ORDERS.topic_id, TOPIC.topic_id
                    )
                    for _ in range(5)
                ]
                responses = [
                    await asyncio.gather(
                        *(respond(connection, request_frame) for request_frame in frames)
                    )
                    for connection in connections
                ]
                assert without_timestamps(responses[0]) == without_timestamps(responses[1])
            for partition in range(3):
                log = LOG._replace(partition=partition)
                stored = await read_everything(fast_core, log)
                assert stored
                assert stored == await read_everything(slow_core, log)

    asyncio.run(scenario())


def without_timestamps(responses):
    """Removes timestamps: errors about times state the range that is valid now."""
    return [
        re.sub(rb"\d{13}", b"", response) if isinstance(response, bytes) else response
        for response in responses
    ]

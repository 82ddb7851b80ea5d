"""The short way says what the long one says, byte by byte, and asks the owners for the same."""

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
LONG = overlapping_route(PRODUCE, produce, expects_response=expects_response)
SHORT = overlapping_route(
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


async def told(answer, sent):
    """The response of one connection to one frame, None, or why the connection ends."""
    try:
        reply = answer(sent)
        if isinstance(reply, Deferred):
            reply = reply.start()
        if isinstance(reply, PendingResponse):
            await asyncio.wait([reply.future])
            reply = reply.finish()
        return None if reply is None else b"".join(reply)
    except (ProtocolViolation, Disconnect) as error:
        return type(error), str(error)


def answered(route, sent, *, results=None, error=None, is_late=False):
    """The response's bytes, and what the owners were asked."""

    async def scenario():
        cluster = FakeCluster()
        cluster.partitions.append_results, cluster.partitions.error = results, error
        reply = Dispatcher({0: route}, cluster.backends).connect(PEER)(sent)
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
        {"error": BackendUnavailable("gone")},
        {"is_late": True},
    ],
    ids=["stored", "stamped", "not owner", "invalid", "unavailable", "late"],
)
def test_every_outcome_is_answered_alike(version, acks, timeout_ms, outcome):
    sent = frame(version, acks=acks, timeout_ms=timeout_ms)
    assert answered(SHORT, sent, **outcome) == answered(LONG, sent, **outcome)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "asked",
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
def test_unusual_requests_are_answered_alike(version, asked):
    sent = frame(version, **asked)
    assert answered(SHORT, sent) == answered(LONG, sent)


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
def test_a_refusal_by_the_owner_has_the_same_message(version, records):
    refused = [AppendResult(refusal=Refusal.CORRUPT_MESSAGE, message="said by the owner")]
    sent = frame(version, records=records)
    short, *_ = answered(SHORT, sent, results=refused)
    long, *_ = answered(LONG, sent, results=refused)
    assert short == long


def test_acks_0_has_no_answer_this_way_either():
    async def scenario():
        cluster = FakeCluster()
        reply = Dispatcher({0: SHORT}, cluster.backends).connect(PEER)(frame(9, acks=0))
        await asyncio.wait([reply.future])
        return reply.finish(), cluster.partitions.acks

    assert asyncio.run(scenario()) == (None, [0])


def test_the_usual_request_takes_the_short_way():
    def never(request, context):
        raise AssertionError("decoded")

    route = overlapping_route(
        PRODUCE, never, expects_response=expects_response, fast_paths=single_batch_fast_paths
    )
    for version in VERSIONS:
        assert answered(route, frame(version)) == answered(LONG, frame(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bug_of_the_fast_path_is_an_error_and_the_connection_stays(version, caplog):
    def broken(frame, caller):
        raise RuntimeError("a bug")

    def broken_too(request, context):
        raise RuntimeError("a bug")

    short = overlapping_route(
        PRODUCE, produce, expects_response=expects_response, fast_paths=lambda *_: {version: broken}
    )
    long = overlapping_route(PRODUCE, broken_too, expects_response=expects_response)
    assert answered(short, frame(version)) == answered(long, frame(version))
    assert [record.message for record in caplog.records] == [
        f"Produce v{version} from 'c' failed"
    ] * 2


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bug_of_the_fast_response_is_logged_once_and_the_slow_path_responds(
    version, caplog, monkeypatch
):
    def broken(self, request_frame, stored):
        raise RuntimeError("a bug")

    sent = frame(version)
    expected = answered(LONG, sent)
    monkeypatch.setattr(ResponseTemplate, "frame", broken)
    assert answered(SHORT, sent) == expected
    (record,) = caplog.records
    assert record.message == f"the fast path failed to respond to Produce v{version}"
    assert str(record.exc_info[1]) == "a bug"


def test_a_bug_of_the_owner_is_logged_once_whichever_path_responds(caplog):
    sent = frame(9)
    short = answered(SHORT, sent, error=RuntimeError("a bug"))
    assert [record.message for record in caplog.records] == ["Produce v9 from 'c' failed"]
    assert short == answered(LONG, sent, error=RuntimeError("a bug"))


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_that_begin_alike_are_answered_each_for_itself(version):
    sent = [
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
        # Of two connections, whose peers are told different things in errors.
        answers = [dispatch.connect(PEER), dispatch.connect(PEER._replace(listener="EXTERNAL"))]
        responses = [await told(answers[number % 2], one) for number, one in enumerate(sent)]
        cluster.partitions.append_results = [
            AppendResult(refusal=Refusal.NOT_OWNER, leader_epoch=9)
        ]
        responses += [await told(answer, sent[0]) for answer in answers]
        return responses, cluster.partitions.appends, cluster.partitions.acks

    assert asyncio.run(scenario(SHORT)) == asyncio.run(scenario(LONG))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_prefix_cache_ends_with_its_view(version):
    moved = Topic(ORDERS.topic_id, "orders", (Placement("p-1", 8),) * 3)
    fewer = Topic(ORDERS.topic_id, "orders", (Placement("p-1", 8),))
    again = Topic(b"orders again----", "orders", (Placement("p-1", 0),) * 3)
    changes = [
        {"topics": [moved]},
        {"topics": [fewer]},
        {"topics": [moved]},
        {"topics_gone": [ORDERS.topic_id]},
        {"topics": [again]},
    ]

    async def scenario(route):
        cluster = FakeCluster()
        view = cluster.backends.view
        answer = Dispatcher({0: route}, cluster.backends).connect(PEER)
        responses = [await told(answer, frame(version))]
        for revision, change in enumerate(changes, view.revision + 1):
            view.apply(ClusterChange(revision, view.cluster_id, **change))
            responses.append(await told(answer, frame(version)))
        return responses, cluster.partitions.appends

    short, long = asyncio.run(scenario(SHORT)), asyncio.run(scenario(LONG))
    assert short == long
    epochs = [(one.log.topic_id, one.leader_epoch) for one in short[1]]
    expected = [(ORDERS.topic_id, 7), (ORDERS.topic_id, 8), (ORDERS.topic_id, 8)]
    assert epochs == expected + ([(again.topic_id, 0)] if version < 13 else [])


def test_the_prefix_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(fast_path, "_CACHED_MAX", 3)

    async def scenario():
        cluster = FakeCluster()
        dispatch = Dispatcher({0: SHORT}, cluster.backends)
        answer = dispatch.connect(PEER)
        for timeout_ms in range(1000, 1020):
            assert await told(answer, frame(9, timeout_ms=timeout_ms))
        return len(dispatch.fast_paths[kind_of(0, 9)].__self__._cache)

    assert 0 < asyncio.run(scenario()) <= 3


TOPIC = replace(topic(), name="orders", partitions=topic().partitions[:3])


def connected(route, core):
    cluster = FakeCluster()
    cluster.view.apply(snapshot(TOPIC, revision=2))
    backends = replace(cluster.backends, partitions=core)
    return Dispatcher({0: route}, backends).connect(PEER)


def somehow_wrong(rng):
    """Most frames: a few bytes of the first changed, its end missing, or more behind it."""
    producer = (rng.randrange(3), 0, rng.randrange(20)) if rng.random() < 0.5 else None
    batch = record_batch(
        numbered(rng.randrange(1, 4), size=rng.choice((10, 300, 1500))),
        producer=producer or (-1, -1, -1),
        base_timestamp_ms=1_700_000_000_000,
    )
    sent = bytearray(
        frame(
            rng.choice(VERSIONS),
            partition=rng.randrange(4),
            acks=rng.choice((-1, 1, 1, 0)),
            correlation_id=rng.randrange(1 << 31),
            records=batch,
        ).replace(ORDERS.topic_id, TOPIC.topic_id)
    )
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        # From the version on; the API stays Produce.
        position = rng.randrange(2, min(len(sent), 130))
        sent[position] = rng.choice((sent[position] ^ 1 << rng.randrange(8), 0, 255))
    if rng.random() < 0.1:
        del sent[rng.randrange(len(sent)) :]
    return bytes(sent) + rng.randbytes(rng.choice((0,) * 19 + (3,)))


@pytest.mark.parametrize("seed", range(3))
def test_random_frames_are_answered_and_stored_alike(tmp_path, seed):
    async def scenario():
        rng, kinds = random.Random(seed), Counter()
        async with (
            running_core(tmp_path / "short", TOPIC) as core,
            running_core(tmp_path / "long", TOPIC) as other,
        ):
            short, long = connected(SHORT, core), connected(LONG, other)
            for _ in range(500):
                sent = somehow_wrong(rng)
                answer = await told(short, sent)
                assert answer == await told(long, sent), sent[:200]
                kinds[answer[0] if isinstance(answer, tuple) else type(answer)] += 1
            for partition in range(3):
                log = LOG._replace(partition=partition)
                batches = await read_everything(core, log)
                assert len(batches) > 10
                assert batches == await read_everything(other, log)
        return kinds

    assert {bytes, type(None), ProtocolViolation, Disconnect} == set(asyncio.run(scenario()))


@pytest.mark.parametrize("validate_records", ["header", "full"])
def test_random_batches_are_answered_and_stored_alike(tmp_path, validate_records):
    """With a sound CRC; several at a time, so that some wait for one that is examined."""

    async def scenario():
        batches, rng = MutatedBatches(5, 1_700_000_000_000), random.Random(5)
        settings = {"validate_records": validate_records, "cleaner_enable": False}
        async with (
            running_core(tmp_path / "short", TOPIC, **settings) as core,
            running_core(tmp_path / "long", TOPIC, **settings) as other,
        ):
            ways = connected(SHORT, core), connected(LONG, other)
            for _ in range(60):
                sent = [
                    frame(9, partition=rng.randrange(3), records=batches.next()).replace(
                        ORDERS.topic_id, TOPIC.topic_id
                    )
                    for _ in range(5)
                ]
                told_by = [
                    await asyncio.gather(*(told(answer, one) for one in sent)) for answer in ways
                ]
                assert without_clock(told_by[0]) == without_clock(told_by[1])
            for partition in range(3):
                log = LOG._replace(partition=partition)
                stored = await read_everything(core, log)
                assert stored
                assert stored == await read_everything(other, log)

    asyncio.run(scenario())


def without_clock(answers):
    """Words about times tell the range that is allowed now."""
    return [
        re.sub(rb"\d{13}", b"", answer) if isinstance(answer, bytes) else answer
        for answer in answers
    ]

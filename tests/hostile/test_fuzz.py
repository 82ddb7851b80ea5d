"""Batches with a sound CRC and broken insides, and frames with broken fronts, on every way in.

MUTATIONS sets how many (20,000 where it is not set, over both deployments; ten million by hand),
and SEED the random numbers. A failure names both, and the bytes of the frame.
"""

import os
import random
import struct
from collections import Counter

import grpc
import pytest
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords

from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub
from tests.support.clients.bystander import Bystander
from tests.support.clients.raw_client import API_VERSIONS, LATEST, RawClient, now_ms
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.wire.batches import batch_offsets, record_batch
from tests.support.wire.kafka_socket import KafkaSocket, request_header_v1
from tests.support.wire.mutated_batches import (
    MutatedBatches,
    fetch_frame,
    flipped,
    list_offsets_frame,
    produce_frame,
)
from tests.support.wire.records import Record, numbered

MUTATIONS = int(os.environ.get("MUTATIONS", "20000"))
SEED = int(os.environ.get("SEED", "2026"))
#: A connection ends with the first frame that is none; others are used for so many.
FRAMES_OF_ONE = 500
#: The log file is looked at after so many.
PIECE = 10_000
SENTINEL = 0x53454E54

CONFIGS = {
    "plain": {},
    "small": {"max.message.bytes": "5000"},
    "compacted": {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0",
        "segment.ms": "1",
    },
    "stamped": {"message.timestamp.type": "LogAppendTime"},
    "zstd": {"compression.type": "zstd"},
    "young": {"message.timestamp.before.max.ms": "3600000"},
}
#: Every batch of these was examined before it was stored.
EXAMINED = ("compacted", "young")


class Fuzzer:
    """Sends mutated frames; after each the broker still answers, or has closed the connection."""

    def __init__(self, address, channel, topics, seed):
        """`topics`: their ids by name."""
        self.outcomes = Counter()
        self._address, self._topics = address, topics
        self._stub = PartitionServiceStub(channel)
        self._dice = random.Random(seed)
        self._batches = MutatedBatches(seed, now_ms())
        self._connection = None
        self._sent = 0

    def run(self, count):
        for number in range(count):
            frame = self._frame()
            try:
                if self._dice.random() < 0.05:
                    self._call(self._batches.next())
                else:
                    self._send(frame)
            except BaseException as error:
                error.add_note(f"SEED={SEED}, mutation {number}: {frame[:2000].hex()}")
                raise
        self._leave()

    def _frame(self):
        rng = self._dice
        topic = rng.choice(tuple(self._topics))
        roll = rng.random()
        if roll < 0.02:
            time_ms = rng.choice((0, 5, now_ms(), now_ms() - 500, (1 << 63) - 1, -3))
            return list_offsets_frame(1, topic, time_ms)
        if roll < 0.04:
            return fetch_frame(1, topic, rng.randrange(100), version=rng.choice((1, 4)))
        version = rng.choice((2, 3, 5, 8, 9, 9, 9, 11, 12))
        acks = rng.choice((-1, 1, 1, 1, 1, 1, 0))
        frame = produce_frame(version, 1, topic, self._batches.next(), acks=acks)
        return flipped(frame, rng, range(2, 80)) if roll < 0.15 else frame

    def _send(self, frame):
        if self._connection is None or self._sent >= FRAMES_OF_ONE:
            self._leave()
            self._connection = KafkaSocket(self._address)
        self._sent += 1
        sentinel = request_header_v1(API_VERSIONS, 0, SENTINEL)
        try:
            self._connection.send_bytes(
                struct.pack(">i", len(frame)) + frame + struct.pack(">i", len(sentinel)) + sentinel
            )
            answer = b""
            while (part := self._connection.read_frame())[:4] != struct.pack(">i", SENTINEL):
                answer = part
            self.outcomes["answered" if answer else "silent"] += 1
        except ConnectionError:
            self.outcomes["closed"] += 1
            self._leave()

    def _call(self, batch):
        """Appends over gRPC, and reads as a caller that knows no batches."""
        topic_id = self._dice.choice(tuple(self._topics.values()))
        append = pb.Append(topic_id=topic_id, batch=batch)
        (result,) = self._stub.Append(pb.AppendRequest(appends=[append] * 2)).results[:1]
        assert result.WhichOneof("outcome")
        offset = max(0, result.stored.base_offset - self._dice.randrange(50))
        asked = pb.FetchPartition(topic_id=topic_id, fetch_offset=offset, max_bytes=10_000)
        fetch = pb.FetchRequest(partitions=[asked], max_bytes=10_000, decode_records=True)
        (read,) = self._stub.Fetch(fetch).results
        assert read.refusal in (0, pb.REFUSAL_CORRUPT_MESSAGE)
        self.outcomes["called"] += 1

    def _leave(self):
        if self._connection is not None:
            self._connection.close()
        self._connection, self._sent = None, 0


@pytest.fixture(params=DEPLOYMENTS)
def broker(request, tmp_path):
    """One of its own, whose logs are compacted all the time."""
    settings = {"log_cleaner_backoff_ms": "50"}
    with DEPLOYMENTS[request.param](tmp_path, **settings) as deployment:
        yield deployment


@pytest.fixture(autouse=True)
def _nobody_notices():
    """The test does that itself: it kills the broker."""


def test_mutated_batches_harm_no_other_client(broker):
    kept = [record_batch(numbered(3, start=3 * number)) for number in range(50)]
    with RawClient(broker.address) as raw:
        bystander = raw.create_topic()
        for batch in kept:
            assert raw.produce(bystander, batch).error_code == 0
        topics = {name: raw.create_topic(configs=configs) for name, configs in CONFIGS.items()}
        ids = {topic: raw.topic_id(topic).bytes for topic in topics.values()}
        partition = "partition" if "partition" in broker.names else "standalone"
        with (
            grpc.insecure_channel(broker.grpc_address(partition)) as channel,
            Bystander(broker),
        ):
            fuzzer = Fuzzer(broker.address, channel, ids, SEED)
            for count in pieces(MUTATIONS // len(DEPLOYMENTS)):
                fuzzer.run(count)
                # Before the lines are forgotten.
                assert_no_bugs(broker)
        assert fuzzer.outcomes.keys() == {"answered", "silent", "closed", "called"}, fuzzer.outcomes
        assert_unchanged(raw, bystander, kept)
        for name, topic in topics.items():
            assert raw.offset_at(topic, LATEST) > 0, name
            assert_in_order(raw.fetch_all(topic), readable=name in EXAMINED)
    assert_no_bugs(broker)
    # What was stored does not stop the next start either.
    broker.restart()
    with RawClient(broker.address) as raw:
        assert_unchanged(raw, bystander, kept)
        good = record_batch([Record(b"v", b"k")], base_timestamp_ms=now_ms())
        for name, topic in topics.items():
            assert raw.produce(topic, good).error_code == 0, name
    assert_no_bugs(broker)


def pieces(count):
    return [PIECE] * (count // PIECE) + [count % PIECE]


def assert_unchanged(raw, topic, batches):
    assert [one[16:] for one in raw.fetch_all(topic)] == [batch[16:] for batch in batches]


def assert_no_bugs(broker):
    broker.assert_running()
    for process in broker.processes.values():
        found = process.lines_with(r"Traceback|\bERROR\b|Error: ")
        assert not found, f"SEED={SEED}\n{process.tail}"


def assert_in_order(batches, *, readable):
    """Each batch behind the one before; where it was examined, as kafka-python reads it too."""
    end = 0
    for batch in batches:
        offsets = batch_offsets(batch)
        assert offsets.start >= end
        end = offsets.stop
        if readable and (read := read_offsets(batch)):
            assert read == sorted(set(read))
            assert read[0] in offsets, batch.hex()
            assert read[-1] in offsets, batch.hex()


def read_offsets(batch):
    """Empty where a header's key is not UTF-8, which Apache Kafka stores too."""
    try:
        return [record.offset for one in MemoryRecords(batch) for record in one]
    except CorruptRecordError as error:
        if isinstance(error.__context__, UnicodeDecodeError):
            return []
        raise

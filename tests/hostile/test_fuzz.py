"""Mutated batches with a valid CRC, and mutated frames, sent over every interface.

The environment variable MUTATIONS sets their number (20,000 by default, over both deployments; runs
by hand send ten million), and SEED the random numbers. A failure names the seed, the number of the
mutation, and the bytes of the frame.
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
#: Frames on one connection, unless an invalid frame ends it earlier.
FRAMES_PER_CONNECTION = 500
#: Mutations between two checks of the log files.
MUTATIONS_PER_CHECK = 10_000
SENTINEL = 0x53454E54

CONFIGS = {
    "plain": {},
    "small": {"max.message.bytes": "5000"},
    "compacted": {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0",
        "segment.ms": "1",
    },
    "append-time": {"message.timestamp.type": "LogAppendTime"},
    "zstd": {"compression.type": "zstd"},
    "max-age": {"message.timestamp.before.max.ms": "3600000"},
}
#: Topics for which the broker validates the records of every batch before it stores the batch.
VALIDATED = ("compacted", "max-age")


class Fuzzer:
    """Sends mutated frames; after each the broker must answer or close the connection."""

    def __init__(self, address, channel, topics, seed):
        """Args: `topics` are topic ids by name."""
        self.outcomes = Counter()
        self._address, self._topics = address, topics
        self._stub = PartitionServiceStub(channel)
        self._rng = random.Random(seed)
        self._batches = MutatedBatches(seed, now_ms())
        self._connection = None
        self._sent = 0

    def run(self, count):
        for number in range(count):
            frame = self._frame()
            try:
                if self._rng.random() < 0.05:
                    self._call(self._batches.next())
                else:
                    self._send(frame)
            except BaseException as error:
                error.add_note(f"SEED={SEED}, mutation {number}: {frame[:2000].hex()}")
                raise
        self._disconnect()

    def _frame(self):
        rng = self._rng
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
        if self._connection is None or self._sent >= FRAMES_PER_CONNECTION:
            self._disconnect()
            self._connection = KafkaSocket(self._address)
        self._sent += 1
        sentinel = request_header_v1(API_VERSIONS, 0, SENTINEL)
        try:
            self._connection.send_bytes(
                struct.pack(">i", len(frame)) + frame + struct.pack(">i", len(sentinel)) + sentinel
            )
            response = b""
            while (received := self._connection.read_frame())[:4] != struct.pack(">i", SENTINEL):
                response = received
            self.outcomes["answered" if response else "silent"] += 1
        except ConnectionError:
            self.outcomes["closed"] += 1
            self._disconnect()

    def _call(self, batch):
        """Appends over gRPC, and fetches decoded records as callers do that parse no batches."""
        topic_id = self._rng.choice(tuple(self._topics.values()))
        append = pb.Append(topic_id=topic_id, batch=batch)
        (result,) = self._stub.Append(pb.AppendRequest(appends=[append] * 2)).results[:1]
        assert result.WhichOneof("outcome")
        offset = max(0, result.stored.base_offset - self._rng.randrange(50))
        partition = pb.FetchPartition(topic_id=topic_id, fetch_offset=offset, max_bytes=10_000)
        fetch = pb.FetchRequest(partitions=[partition], max_bytes=10_000, decode_records=True)
        (fetched,) = self._stub.Fetch(fetch).results
        assert fetched.refusal in (0, pb.REFUSAL_CORRUPT_MESSAGE)
        self.outcomes["called"] += 1

    def _disconnect(self):
        if self._connection is not None:
            self._connection.close()
        self._connection, self._sent = None, 0


@pytest.fixture(params=DEPLOYMENTS)
def broker(request, tmp_path):
    """Starts a broker for this module, which compacts logs all the time."""
    settings = {"log_cleaner_backoff_ms": "50"}
    with DEPLOYMENTS[request.param](tmp_path, **settings) as deployment:
        yield deployment


@pytest.fixture(autouse=True)
def _assert_no_effect_on_others():
    """Replaces the folder's fixture: this test restarts the broker, and has its own bystander."""


def test_mutated_batches_harm_no_other_client(broker):
    expected = [record_batch(numbered(3, start=3 * number)) for number in range(50)]
    with RawClient(broker.address) as raw:
        untouched = raw.create_topic()
        for batch in expected:
            assert raw.produce(untouched, batch).error_code == 0
        topics = {name: raw.create_topic(configs=configs) for name, configs in CONFIGS.items()}
        ids = {topic: raw.topic_id(topic).bytes for topic in topics.values()}
        partition = "partition" if "partition" in broker.names else "standalone"
        with (
            grpc.insecure_channel(broker.grpc_address(partition)) as channel,
            Bystander(broker),
        ):
            fuzzer = Fuzzer(broker.address, channel, ids, SEED)
            for count in split(MUTATIONS // len(DEPLOYMENTS)):
                fuzzer.run(count)
                # Processes keep their last lines only.
                assert_no_bugs(broker)
        assert fuzzer.outcomes.keys() == {"answered", "silent", "closed", "called"}, fuzzer.outcomes
        assert_unchanged(raw, untouched, expected)
        for name, topic in topics.items():
            assert raw.offset_at(topic, LATEST) > 0, name
            assert_in_order(raw.fetch_all(topic), is_decodable=name in VALIDATED)
    assert_no_bugs(broker)
    # The stored batches must not prevent a restart.
    broker.restart()
    with RawClient(broker.address) as raw:
        assert_unchanged(raw, untouched, expected)
        valid = record_batch([Record(b"v", b"k")], base_timestamp_ms=now_ms())
        for name, topic in topics.items():
            assert raw.produce(topic, valid).error_code == 0, name
    assert_no_bugs(broker)


def split(count):
    """Returns parts of at most MUTATIONS_PER_CHECK whose sum is `count`."""
    return [MUTATIONS_PER_CHECK] * (count // MUTATIONS_PER_CHECK) + [count % MUTATIONS_PER_CHECK]


def assert_unchanged(raw, topic, batches):
    assert [batch[16:] for batch in raw.fetch_all(topic)] == [batch[16:] for batch in batches]


def assert_no_bugs(broker):
    broker.assert_running()
    for process in broker.processes.values():
        found = process.lines_with(r"Traceback|\bERROR\b|Error: ")
        assert not found, f"SEED={SEED}\n{process.tail}"


def assert_in_order(batches, *, is_decodable):
    """Asserts that offsets ascend; if `is_decodable`, those that kafka-python reads too."""
    end = 0
    for batch in batches:
        offsets = batch_offsets(batch)
        assert offsets.start >= end
        end = offsets.stop
        if is_decodable and (decoded := read_offsets(batch)):
            assert decoded == sorted(set(decoded))
            assert decoded[0] in offsets, batch.hex()
            assert decoded[-1] in offsets, batch.hex()


def read_offsets(batch):
    """Returns the offsets of records; none if a header key is not UTF-8, as Apache Kafka allows."""
    try:
        return [record.offset for records in MemoryRecords(batch) for record in records]
    except CorruptRecordError as error:
        if isinstance(error.__context__, UnicodeDecodeError):
            return []
        raise

"""Produce, Fetch, ListOffsets, OffsetForLeaderEpoch and InitProducerId."""

import struct

import pytest

from tests.differential.comparison import NO_SUCH_ID
from tests.differential.requests import epoch_ends, fetch, init_producer_id, list_offsets, produce
from tests.differential.sides import versions_of
from tests.support.clients.raw_client import (
    FETCH,
    INIT_PRODUCER_ID,
    LIST_OFFSETS,
    OFFSET_FOR_LEADER_EPOCH,
    PRODUCE,
)
from tests.support.wire.batches import (
    CODECS,
    CONTROL_BIT,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    record_batch,
)
from tests.support.wire.message_sets import message_set
from tests.support.wire.records import Record, numbered

BATCH = record_batch(numbered(3))
T0 = 1_700_000_000_000


def make_batches():
    """Returns valid and invalid batches by their kind; known_differences.py names some kinds."""
    flipped = bytearray(BATCH)
    flipped[-1] ^= 1
    magic_7 = bytearray(BATCH)
    magic_7[16] = 7
    longer = BATCH[:8] + struct.pack(">i", len(BATCH)) + BATCH[12:]
    keyed = [Record(b"v", b"k", timestamp_ms=T0 + 5), Record(None, b"k", timestamp_ms=T0)]
    return {
        "sound": BATCH,
        "none": b"",
        "flipped": bytes(flipped),
        "magic 7": bytes(magic_7),
        "messages of magic 0": message_set(numbered(2), magic=0),
        "messages of magic 1": message_set(numbered(2), magic=1),
        "a batch and messages": BATCH + message_set(numbered(1), magic=1),
        "no sequence": record_batch(numbered(1), producer=(5, 0, -1)),
        "no epoch": record_batch(numbered(1), producer=(5, -1, 0)),
        "longer than it is": longer,
        "cut": BATCH[:-1],
        "half a header": BATCH[:30],
        "two": BATCH + BATCH,
        "offset of its own": record_batch(numbered(2), base_offset=77),
        "keys and nulls": record_batch(keyed),
        "no records": record_batch([], last_offset_delta=-1),
        "no records but a place": record_batch([], last_offset_delta=0),
        "fewer than declared": record_batch(numbered(2), count=3),
        "more than declared": record_batch(numbered(2), count=1),
        "gap at the end": record_batch(numbered(2), last_offset_delta=5),
        "control": record_batch(numbered(1), attributes=CONTROL_BIT),
        "transactional": record_batch(numbered(1), attributes=TRANSACTIONAL_BIT),
        "append time": record_batch(numbered(1), attributes=TIMESTAMP_TYPE_BIT),
        "codec 5": record_batch(numbered(1), attributes=5, payload=b"x"),
        "garbage in gzip": record_batch(numbered(1), attributes=1, payload=b"garbage"),
        "no time": record_batch(numbered(1), base_timestamp_ms=-1),
        "negative time": record_batch(numbered(1), base_timestamp_ms=-7),
        "far future": record_batch(numbered(1), base_timestamp_ms=1 << 50),
        "large": record_batch([Record(bytes(1_100_000))]),
    }


@pytest.mark.parametrize("kind", ["plain", "compacted", "append-time"])
def test_batches_are_accepted_and_refused_as_in_kafka(sides, kind):
    configs = {
        "plain": {},
        "compacted": {"cleanup_policy": "compact"},
        "append-time": {"message_timestamp_type": "LogAppendTime"},
    }[kind]
    for label, batch in make_batches().items():
        name = f"{kind}-{label.replace(' ', '-')}"
        topic_id = sides.new_topic(name, configs=configs)
        for version in versions_of(PRODUCE):
            sides.compare(PRODUCE, version, produce(name, topic_id, (0, batch)))
        sides.compare(FETCH, 12, fetch(name, topic_id, (0, 0)))


def test_compressed_batches_are_stored_and_fetched_as_in_kafka(sides):
    topic_id = sides.new_topic("compressed")
    for version in versions_of(PRODUCE):
        for codec in CODECS:
            batch = record_batch(numbered(20), codec=codec)
            sides.compare(PRODUCE, version, produce("compressed", topic_id, (0, batch)))
    for version in versions_of(FETCH):
        sides.compare(FETCH, version, fetch("compressed", topic_id, (0, 0)))


def test_produce_requests_get_responses_as_in_kafka(sides):
    topic_id = sides.new_topic("produced", 2)
    for version in versions_of(PRODUCE):
        for request in (
            produce("produced", topic_id, (0, BATCH), (1, BATCH), acks=1),
            produce("produced", topic_id, (0, BATCH), acks=2),
            produce("produced", topic_id, (0, BATCH), acks=-2),
            produce("produced", topic_id, (2, BATCH), (-1, BATCH)),
            produce("unknown", NO_SUCH_ID, (0, BATCH)),
            produce("no/slash", NO_SUCH_ID, (0, BATCH)),
            produce("produced", topic_id),
        ):
            sides.compare(PRODUCE, version, request)


#: Producer epochs and base sequences of batches of two records.
SEQUENCES = (
    *(
        (0, 3),
        (0, 3),
        (0, 0),
        (0, 0),
        (0, 2),
        (0, 0),
        (0, 2),
        (0, 5),
        (0, 4),
        (0, 6),
        (0, 8),
        (0, 10),
    ),
    *((0, 0), (0, 12), (1, 5), (1, 0), (0, 14), (-1, 0), (1, -1), (1, 2), (2, 7), (2, 0)),
)


def test_sequences_are_checked_as_in_kafka(sides):
    for version in versions_of(PRODUCE):
        name = f"sequences-{version}"
        topic_id = sides.new_topic(name)
        producer = sides.compare(INIT_PRODUCER_ID, 5, init_producer_id())

        def make_request(epoch, sequence, count=2, producer=producer, name=name, topic_id=topic_id):
            batch = producer.map(
                lambda response: record_batch(
                    numbered(count), producer=(response.producer_id, epoch, sequence)
                )
            )
            return produce(name, topic_id, (0, batch))

        for epoch, sequence in SEQUENCES:
            sides.compare(PRODUCE, version, make_request(epoch, sequence))
        sides.compare(FETCH, 12, fetch(name, topic_id, (0, 0)))


def test_producer_ids_are_allocated_as_in_kafka(sides):
    for version in versions_of(INIT_PRODUCER_ID):
        for fields in (
            {},
            {"transaction_timeout": -1},
            {"transactional_id": ""},
            {"producer_id": 5, "producer_epoch": 1},
            {"producer_id": 5},
            {"producer_epoch": 5},
        ):
            sides.compare(INIT_PRODUCER_ID, version, init_producer_id(**fields))


def create_filled_topic(sides, name):
    """Creates two partitions with 30 records in the first, a millisecond apart; returns the id."""
    topic_id = sides.new_topic(name, 2)
    for start in range(0, 30, 10):
        records = [Record(b"%d" % n, timestamp_ms=T0 + n) for n in range(start, start + 10)]
        batch = record_batch(records, base_timestamp_ms=T0 + start)
        sides.compare(PRODUCE, 9, produce(name, topic_id, (0, batch)))
    return topic_id


def test_records_are_fetched_as_in_kafka(sides):
    topic_id = create_filled_topic(sides, "fetched")
    for version in versions_of(FETCH):
        for request in (
            fetch("fetched", topic_id, (0, 0)),
            fetch("fetched", topic_id, (0, 15), (1, 0)),
            fetch("fetched", topic_id, (0, 30)),
            fetch("fetched", topic_id, (0, 31), (0, -1), (0, -7)),
            fetch("fetched", topic_id, (2, 0), (-1, 0)),
            fetch("fetched", topic_id, (0, 12), max_bytes=1),
            fetch(
                "fetched", topic_id, {"partition": 0, "fetch_offset": 3, "partition_max_bytes": 1}
            ),
            fetch("fetched", topic_id, (0, 0), isolation_level=1),
            fetch("unknown", NO_SUCH_ID, (0, 0)),
            fetch("no/slash", NO_SUCH_ID, (0, 0)),
            fetch("fetched", topic_id, partition_with_epoch(0)),
            fetch("fetched", topic_id, partition_with_epoch(9)),
            fetch("fetched", topic_id, partition_with_epoch(-1, last_fetched_epoch=0)),
            fetch("fetched", topic_id, partition_with_epoch(-1, last_fetched_epoch=9)),
            fetch("fetched", topic_id),
        ):
            sides.compare(FETCH, version, request)


def test_fetch_sessions_are_refused_as_in_kafka(sides):
    topic_id = create_filled_topic(sides, "sessions")
    for version in (v for v in versions_of(FETCH) if v >= 7):
        for session_id, session_epoch in ((0, -1), (0, 0), (0, 1), (7, 0), (7, 1), (7, -1)):
            session = {"session_id": session_id, "session_epoch": session_epoch}
            sides.compare(FETCH, version, fetch("sessions", topic_id, (0, 25), **session))
            sides.compare(FETCH, version, {**fetch("sessions", topic_id, **session), "topics": []})


def partition_with_epoch(current, **fields):
    return {"partition": 0, "fetch_offset": 0, "current_leader_epoch": current, **fields}


def test_offsets_are_listed_as_in_kafka(sides):
    create_filled_topic(sides, "listed")
    for version in versions_of(LIST_OFFSETS):
        for request in (
            *(list_offsets("listed", (0, time), (1, time)) for time in (-1, -2, -3, -4, -5, -6)),
            *(list_offsets("listed", (0, T0 + ms)) for ms in (-5, 0, 7, 10, 29, 30)),
            list_offsets("listed", (0, 0), (0, -7)),
            list_offsets("listed", (2, -1), (-1, -1)),
            list_offsets("unknown", (0, -1)),
            list_offsets("no/slash", (0, -1)),
            list_offsets("listed", (0, -1), isolation_level=1),
            list_offsets("listed", (0, -1), (0, -2)),
        ):
            sides.compare(LIST_OFFSETS, version, request)


def test_epoch_end_offsets_are_found_as_in_kafka(sides):
    create_filled_topic(sides, "epochs")
    for version in versions_of(OFFSET_FOR_LEADER_EPOCH):
        for request in (
            epoch_ends("epochs", (0, -1, 0), (1, -1, 0)),
            epoch_ends("epochs", (0, 0, 0)),
            epoch_ends("epochs", (0, -1, 5), (0, -1, -1), (0, -1, -5)),
            epoch_ends("epochs", (0, 5, 0)),
            epoch_ends("epochs", (2, -1, 0), (-1, -1, 0)),
            epoch_ends("unknown", (0, -1, 0)),
        ):
            sides.compare(OFFSET_FOR_LEADER_EPOCH, version, request)

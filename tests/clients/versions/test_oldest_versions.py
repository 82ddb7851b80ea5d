"""Versions that Apache Kafka 4 has dropped and ringlog supports, encoded by kafka-python's classes.

Message sets of magic 0 and 1, plain and compressed, are accepted, and returned in the same format.
"""

import pytest
from kafka.protocol.old import (
    admin,
    commit,
    fetch,
    list_offsets,
    offset_for_leader_epoch,
    produce,
)

from tests.clients.adapters.confluent import ConfluentClient
from tests.clients.groups.test_every_group_version import EXCHANGES as GROUP_EXCHANGES
from tests.clients.versions.test_every_version import EXCHANGES as OTHER_EXCHANGES
from tests.support.clients.raw_client import EARLIEST, LATEST
from tests.support.wire.advertised import ADVERTISED, KIO_FROM
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask_old
from tests.support.wire.message_sets import message_set, unpack_message_set
from tests.support.wire.records import Header, Record

NOW_MS = 1_700_000_000_000
RECORDS = [
    Record(b"one", b"k1", (), NOW_MS),
    Record(None, b"k2", (), NOW_MS + 5),
    Record(b"", None, (), NOW_MS + 3),
    Record(b"four" * 500, b"", (), NOW_MS + 9),
]
OLD_CODECS = ("none", "gzip", "snappy")


def send_produce(raw, version, topic, records):
    cls = getattr(produce, f"ProduceRequest_v{version}")
    response = ask_old(raw, cls(-1, 30_000, [(topic, [(0, records)])]))
    (name, ((partition, error_code, base_offset, *rest),)) = response.topics[0]
    assert (name, partition) == (topic, 0)
    assert not rest or rest == [-1]
    return error_code, base_offset


def send_fetch(raw, version, topic, offset, *, max_bytes=1 << 20):
    cls = getattr(fetch, f"FetchRequest_v{version}")
    total_max_bytes = [max_bytes] if version >= 3 else []
    response = ask_old(raw, cls(-1, 0, 1, *total_max_bytes, [(topic, [(0, offset, max_bytes)])]))
    (_, ((partition, error_code, high_watermark, records),)) = response.topics[0]
    assert partition == 0
    return error_code, high_watermark, records


def contents(messages):
    return [(message.offset, message.key, message.value) for message in messages]


EXPECTED = [(offset, record.key, record.value) for offset, record in enumerate(RECORDS)]


@pytest.mark.parametrize("codec", OLD_CODECS)
@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("magic", [0, 1])
def test_a_message_set_is_stored_as_a_batch_that_new_clients_read(
    magic, version, codec, raw, topic, broker
):
    records = message_set(RECORDS, magic=magic, codec=codec)
    assert send_produce(raw, version, topic, records) == (0, 0)
    assert send_produce(raw, version, topic, records) == (0, 4)
    reads = ConfluentClient().consume(broker.address, topic, count=8)
    assert [(r.offset, r.record.key, r.value) for r in reads[:4]] == EXPECTED
    assert [read.offset for read in reads] == list(range(8))
    if magic == 1:
        times = [read.record.timestamp_ms for read in reads[:4]]
        assert times == [record.timestamp_ms for record in RECORDS]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4"])
@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_an_old_fetch_is_answered_in_the_magic_of_its_version(version, codec, raw, topic):
    headers = (Header("new", b"thing"),)
    sent = [Record(record.value, record.key, headers, record.timestamp_ms) for record in RECORDS]
    raw.produce(topic, record_batch(sent, codec=codec, base_timestamp_ms=NOW_MS))
    error_code, high_watermark, records = send_fetch(raw, version, topic, 0)
    assert (error_code, high_watermark) == (0, 4)
    messages = unpack_message_set(records)
    assert contents(messages) == EXPECTED
    assert {message.magic for message in messages} == {0 if version < 2 else 1}
    if version >= 2:
        assert [message.timestamp_ms for message in messages] == [
            record.timestamp_ms for record in sent
        ]


@pytest.mark.parametrize("version", [0, 2])
def test_an_old_fetch_may_start_within_a_batch(version, raw, topic):
    raw.produce(topic, record_batch(RECORDS, codec="gzip"))
    _, _, records = send_fetch(raw, version, topic, 2)
    assert contents(unpack_message_set(records))[-2:] == EXPECTED[2:]


@pytest.mark.parametrize("version", [0, 2])
def test_old_fetch_versions_get_an_error_for_zstd_batches(version, raw, topic):
    raw.produce(topic, record_batch(RECORDS, codec="zstd"))
    error_code, _, records = send_fetch(raw, version, topic, 0)
    assert (error_code, records or b"") == (76, b"")


def test_an_old_client_reads_many_batches_with_repeated_fetches(raw, topic):
    for _ in range(30):
        raw.produce(topic, record_batch(RECORDS))
    offset, fetched = 0, []
    while offset < 120:
        _, high_watermark, records = send_fetch(raw, 0, topic, offset, max_bytes=5000)
        assert high_watermark == 120
        messages = [message for message in unpack_message_set(records) if message.offset >= offset]
        assert messages, f"stuck at {offset}"
        fetched += messages
        offset = messages[-1].offset + 1
    assert [message.offset for message in fetched] == list(range(120))


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize(
    ("corrupt", "error_code"),
    [
        pytest.param(lambda records: records[:-1] + bytes([records[-1] ^ 1]), 2, id="wrong CRC"),
        pytest.param(lambda records: records[:-5], 2, id="cut short"),
        pytest.param(lambda _: b"", None, id="empty"),
        pytest.param(lambda _: b"garbage", None, id="garbage"),
    ],
)
def test_a_corrupted_message_set_is_refused_and_not_stored(
    version, corrupt, error_code, raw, topic
):
    records = corrupt(message_set(RECORDS, magic=0 if version == 0 else 1))
    returned, _ = send_produce(raw, version, topic, records)
    assert returned == error_code if error_code else returned in (0, 2, 87)
    assert raw.offset_at(topic, LATEST) == 0


def test_list_offsets_0_returns_arrays(raw, topic):
    raw.produce(topic, record_batch(RECORDS))

    def send_list_offsets(timestamp, count):
        request = list_offsets.ListOffsetsRequest_v0(-1, [(topic, [(0, timestamp, count)])])
        return ask_old(raw, request).topics[0][1][0][1:]

    assert send_list_offsets(LATEST, 1) == (0, [4])
    assert send_list_offsets(EARLIEST, 1) == (0, [0])
    assert send_list_offsets(LATEST, 10) == (0, [4, 0])
    assert send_list_offsets(EARLIEST, 10) == (0, [0])
    assert send_list_offsets(LATEST, 0)[1] == []


@pytest.mark.parametrize("version", [0, 1])
def test_first_versions_of_create_and_delete_topics_work(version, raw):
    name = raw.create_topic() + "-old"
    cls = getattr(admin, f"CreateTopicsRequest_v{version}")
    validate_only = [False] if version else []
    topics = [(name, 3, 1, [], [("retention.ms", "5000000")])]
    response = ask_old(raw, cls(topics, 30_000, *validate_only))
    assert response.topics[0][:2] == (name, 0)
    assert len(raw.metadata(name).topics[0].partitions) == 3
    deleted = ask_old(raw, admin.DeleteTopicsRequest_v0([name], 30_000))
    assert deleted.responses == [(name, 0)]
    assert raw.metadata(name).topics[0].error_code == 3


def test_describe_configs_0_marks_defaults(raw, topic):
    resources = [(2, topic, ["cleanup.policy", "retention.ms"])]
    (result,) = ask_old(raw, admin.DescribeConfigsRequest_v0(resources)).results
    error_code, _, resource_type, name, configs = result
    assert (error_code, resource_type, name) == (0, 2, topic)
    assert {config[0]: config[1] for config in configs} == {
        "cleanup.policy": "delete",
        "retention.ms": "604800000",
    }
    assert all(is_default for _, _, _, is_default, _ in configs)


@pytest.mark.parametrize("version", [0, 1])
def test_first_versions_of_offset_for_leader_epoch_work(version, raw, topic):
    raw.produce(topic, record_batch(RECORDS))
    (listed,) = raw.metadata(topic).topics[0].partitions
    cls = getattr(offset_for_leader_epoch, f"OffsetForLeaderEpochRequest_v{version}")
    response = ask_old(raw, cls([(topic, [(0, listed.leader_epoch)])]))
    (name, ((error_code, partition, *epoch, end_offset),)) = response.topics[0]
    assert (name, error_code, partition, end_offset) == (topic, 0, 0, 4)
    assert epoch == ([listed.leader_epoch] if version else [])


@pytest.mark.parametrize("version", [0, 1])
def test_first_versions_of_offset_commit_and_fetch_work(version, raw, topic):
    group = f"of-{topic}"
    cls = getattr(commit, f"OffsetCommitRequest_v{version}")
    version_1_fields = [(-1, ""), (-1,)] if version else [(), ()]
    topics = [(topic, [(0, 7, *version_1_fields[1], "so far")])]
    response = ask_old(raw, cls(group, *version_1_fields[0], topics))
    assert response.topics == [(topic, [(0, 0)])]
    fetched = ask_old(raw, commit.OffsetFetchRequest_v0(group, [(topic, [0])]))
    assert fetched.topics == [(topic, [(0, 7, "so far", 0)])]


def test_every_advertised_version_is_tested():
    assert {*OTHER_EXCHANGES, *GROUP_EXCHANGES} == {*ADVERTISED}
    tested_here = {0: {0, 1, 2}, 1: {0, 1, 2, 3}, 2: {0}, 8: {0, 1}, 9: {0}, 19: {0, 1}, 20: {0}}
    tested_here |= {23: {0, 1}, 32: {0}}
    assert {key: {*range(first)} for key, first in KIO_FROM.items()} == tested_here

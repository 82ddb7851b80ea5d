"""kafka-python 1.4 and 2.0, configured for broker 0.8.2 or 0.10, or with version probing."""

import pytest

from tests.clients.adapters.aio import AioClient
from tests.clients.adapters.legacy import LegacyClient
from tests.support.clients.raw_client import now_ms
from tests.support.tools import need
from tests.support.wire.records import Header, Record

pytestmark = pytest.mark.slow

OLD_CLIENTS = [
    LegacyClient("kafka-python-1.4", (0, 8, 2)),
    LegacyClient("kafka-python-1.4", (0, 10)),
    LegacyClient("kafka-python-2.0", (0, 8, 2)),
    LegacyClient("kafka-python-2.0", (0, 10)),
    LegacyClient("kafka-python-2.0", None),
]
NOW_MS = now_ms() - 7_200_000
RECORDS = [
    Record(b"value " * 30, b"key", (), NOW_MS),
    Record(b"no key", None, (), NOW_MS + 7),
    *[Record(b"%d" % n, b"%d" % n, (), NOW_MS + n) for n in range(40)],
]


@pytest.fixture(params=OLD_CLIENTS, ids=lambda client: client.name)
def old_client(request):
    need(request.param.is_installed, request.param.name)
    return request.param


def keys_and_values(reads):
    return [(read.offset, read.record.key, read.value) for read in reads]


EXPECTED = [(offset, record.key, record.value) for offset, record in enumerate(RECORDS)]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4"])
def test_an_old_and_a_current_client_read_the_records_of_each_other(
    old_client, codec, broker, raw, topic
):
    client = AioClient()
    assert old_client.produce(broker.address, topic, RECORDS, codec=codec) == list(
        range(len(RECORDS))
    )
    assert keys_and_values(client.consume(broker.address, topic, count=42)) == EXPECTED
    second_topic = raw.create_topic()
    client.produce(broker.address, second_topic, RECORDS, codec=codec)
    assert keys_and_values(old_client.consume(broker.address, second_topic, count=42)) == EXPECTED


def test_an_old_client_reads_from_any_offset_and_finds_the_bounds(old_client, broker, topic):
    old_client.produce(broker.address, topic, RECORDS, codec="gzip")
    assert (
        keys_and_values(old_client.consume(broker.address, topic, offset=17, count=25))
        == EXPECTED[17:]
    )
    assert old_client.bounds(broker.address, topic) == (0, 42)


def test_an_old_client_lists_topics(old_client, broker, topic):
    assert topic in old_client.topics(broker.address)


def test_a_client_for_0_10_keeps_timestamps(broker, topic):
    old_client = LegacyClient("kafka-python-2.0", (0, 10))
    need(old_client.is_installed, old_client.name)
    old_client.produce(broker.address, topic, RECORDS, codec="snappy")
    reads = old_client.consume(broker.address, topic, count=42)
    assert [read.record.timestamp_ms for read in reads] == [
        record.timestamp_ms for record in RECORDS
    ]


def test_a_probing_client_uses_headers_and_timestamps(broker, topic):
    old_client = LegacyClient("kafka-python-2.0", None)
    need(old_client.is_installed, old_client.name)
    sent = Record(b"v", b"k", (Header("h", b"x"),), NOW_MS + 100)
    old_client.produce(broker.address, topic, [*RECORDS, sent])
    (read,) = old_client.consume(broker.address, topic, offset=42, count=1)
    assert read.record == sent
    assert old_client.offset_for_time(broker.address, topic, NOW_MS + 50) == 42

"""kafka-python 1.4 and 2.0 as they were, configured for broker 0.8.2 or 0.10, or probing."""

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
def old(request):
    need(request.param.is_installed, request.param.name)
    return request.param


def keys_and_values(reads):
    return [(read.offset, read.record.key, read.value) for read in reads]


EXPECTED = [(offset, record.key, record.value) for offset, record in enumerate(RECORDS)]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4"])
def test_an_old_client_and_one_of_today_read_each_other(old, codec, broker, raw, topic):
    client = AioClient()
    assert old.produce(broker.address, topic, RECORDS, codec=codec) == list(range(len(RECORDS)))
    assert keys_and_values(client.consume(broker.address, topic, count=42)) == EXPECTED
    other = raw.create_topic()
    client.produce(broker.address, other, RECORDS, codec=codec)
    assert keys_and_values(old.consume(broker.address, other, count=42)) == EXPECTED


def test_an_old_client_starts_anywhere_and_knows_the_bounds(old, broker, topic):
    old.produce(broker.address, topic, RECORDS, codec="gzip")
    assert keys_and_values(old.consume(broker.address, topic, offset=17, count=25)) == EXPECTED[17:]
    assert old.bounds(broker.address, topic) == (0, 42)


def test_an_old_client_lists_topics(old, broker, topic):
    assert topic in old.topics(broker.address)


def test_times_travel_with_messages_of_0_10(broker, topic):
    old = LegacyClient("kafka-python-2.0", (0, 10))
    need(old.is_installed, old.name)
    old.produce(broker.address, topic, RECORDS, codec="snappy")
    reads = old.consume(broker.address, topic, count=42)
    assert [read.record.timestamp_ms for read in reads] == [one.timestamp_ms for one in RECORDS]


def test_a_probing_client_finds_headers_and_times(broker, topic):
    old = LegacyClient("kafka-python-2.0", None)
    need(old.is_installed, old.name)
    sent = Record(b"v", b"k", (Header("h", b"x"),), NOW_MS + 100)
    old.produce(broker.address, topic, [*RECORDS, sent])
    (read,) = old.consume(broker.address, topic, offset=42, count=1)
    assert read.record == sent
    assert old.offset_for_time(broker.address, topic, NOW_MS + 50) == 42

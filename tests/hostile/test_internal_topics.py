"""Produce requests to `__consumer_offsets`: refused in every version, and nothing is stored."""

from itertools import product

import pytest
from kafka.protocol.old.produce import ProduceRequest

from tests.support.clients.raw_client import LATEST, PRODUCE
from tests.support.wire.batches import record_batch
from tests.support.wire.group_apis import OFFSET_COMMIT
from tests.support.wire.kio_client import ask, ask_old, message, read_response, request_frame
from tests.support.wire.message_sets import message_set
from tests.support.wire.records import Record

INVALID_TOPIC_EXCEPTION = 17
OFFSETS_TOPIC = "__consumer_offsets"
#: The key and the value of a commit: group `g`, topic `t`, partition 0, offset 99.
FORGED_COMMIT = Record(
    key=b"\0\1" + b"\0\1g" + b"\0\1t" + bytes(4),
    value=b"\0\3" + (99).to_bytes(8, "big") + b"\xff" * 4 + b"\0\0" + bytes(8),
)
TOMBSTONE = Record(key=FORGED_COMMIT.key, value=None)


@pytest.fixture
def topic(raw):
    """Commits an offset, which creates the internal topic."""
    partition = {"partition_index": 0, "committed_offset": 3, "committed_metadata": None}
    topics = [{"name": raw.create_topic(), "partitions": [partition]}]
    values = {
        "group_id": "g",
        "generation_id_or_member_epoch": -1,
        "member_id": "",
        "topics": topics,
    }
    (response,) = ask(raw, OFFSET_COMMIT, 8, values).topics
    assert response.partitions[0].error_code == 0
    return OFFSETS_TOPIC


@pytest.mark.parametrize("version", range(3, 14))
def test_batches_for_an_internal_topic_are_refused(version, raw, topic):
    before, topic_id = raw.offset_at(topic, LATEST), raw.topic_id(topic)
    for acks, record in product([1, -1], [FORGED_COMMIT, TOMBSTONE]):
        data = [{"index": 0, "records": record_batch([record])}]
        values = {
            "transactional_id": None,
            "acks": acks,
            "timeout": 30_000,
            "topic_data": [{"name": topic, "topic_id": topic_id, "partition_data": data}],
        }
        (response,) = ask(raw, PRODUCE, version, values).responses
        (result,) = response.partition_responses
        assert (int(result.error_code), result.base_offset) == (INVALID_TOPIC_EXCEPTION, -1)
    assert raw.offset_at(topic, LATEST) == before


@pytest.mark.parametrize("version", [0, 1, 2])
def test_message_sets_for_an_internal_topic_are_refused(version, raw, topic):
    before = raw.offset_at(topic, LATEST)
    records = message_set([FORGED_COMMIT], magic=min(version // 2, 1))
    request = ProduceRequest[version](
        required_acks=-1, timeout=30_000, topics=[(topic, [(0, records)])]
    )
    ((_, (result,)),) = ask_old(raw, request).topics
    assert result[1:3] == (INVALID_TOPIC_EXCEPTION, -1)
    assert raw.offset_at(topic, LATEST) == before


def test_appends_with_the_client_id_of_kafkas_own_tools_are_refused(raw, topic):
    """Kafka 4.4 accepts appends of any client named `__admin_client` (KAFKA-20677)."""
    data = [{"index": 0, "records": record_batch([FORGED_COMMIT])}]
    topic_data = [{"name": topic, "partition_data": data}]
    values = {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": topic_data}
    request = message(PRODUCE, 9, values)
    raw.send_frame(request_frame(request, 1, client_id="__admin_client"))
    _, response = read_response(raw.read_frame(), PRODUCE, 9)
    (result,) = response.responses[0].partition_responses
    assert int(result.error_code) == INVALID_TOPIC_EXCEPTION

"""A waiting Fetch is answered by the append that satisfies it, not by its own timeout.

The wait asked for is ten minutes and the answer is awaited for half a minute: only the append can
bring it, however slow the machine is.
"""

from kio.schema.errors import ErrorCode

from tests.support.batches import record_batch
from tests.support.kio_client import message, read_response, request_frame
from tests.support.raw_client import FETCH, RawClient
from tests.support.records import numbered

TEN_MINUTES_MS = 600_000


def send_fetch(connection, topic, positions, *, min_bytes=1):
    """Asks for several partitions, `positions` by partition, and does not read the answer."""
    asked = [
        {"partition": partition, "fetch_offset": offset, "partition_max_bytes": 1 << 20}
        for partition, offset in positions.items()
    ]
    values = {
        "max_wait": TEN_MINUTES_MS,
        "min_bytes": min_bytes,
        "max_bytes": 50 << 20,
        "topics": [{"topic": topic, "partitions": asked}],
        "forgotten_topics_data": [],
    }
    connection.send_frame(request_frame(message(FETCH, 12, values), 7))


def read_fetch(connection):
    """Record bytes by partition."""
    _, response = read_response(connection.read_frame(), FETCH, 12)
    return {one.partition_index: one.records or b"" for one in response.responses[0].partitions}


def test_an_append_answers_a_waiting_fetch(broker, raw, topic):
    with RawClient(broker.address) as waiting:
        for offset in range(20):
            send_fetch(waiting, topic, {0: offset})
            assert raw.produce(topic, record_batch(numbered(1))).base_offset == offset
            answer = read_fetch(waiting)
            assert int.from_bytes(answer[0][:8], "big") == offset


def test_the_first_partition_with_data_answers_for_all(broker, raw):
    topic = raw.create_topic(partitions=4)
    with RawClient(broker.address) as waiting:
        for round_number in range(5):
            send_fetch(waiting, topic, {0: 0, 1: 0, 2: round_number, 3: 0})
            raw.produce(topic, record_batch(numbered(1)), partition=2)
            answer = read_fetch(waiting)
            assert [partition for partition, data in answer.items() if data] == [2]


def test_min_bytes_is_about_all_partitions_together(broker, raw):
    topic = raw.create_topic(partitions=2)
    batch = record_batch(numbered(1, size=1000))
    with RawClient(broker.address) as waiting:
        send_fetch(waiting, topic, {0: 0, 1: 0}, min_bytes=2 * len(batch))
        raw.produce(topic, batch, partition=0)
        raw.produce(topic, batch, partition=1)
        answer = read_fetch(waiting)
    assert {partition: len(data) for partition, data in answer.items()} == {
        0: len(batch),
        1: len(batch),
    }


def test_a_deleted_topic_ends_the_wait(broker, raw, topic):
    with RawClient(broker.address) as waiting:
        send_fetch(waiting, topic, {0: 0})
        assert raw.delete_topic(topic) == 0
        _, response = read_response(waiting.read_frame(), FETCH, 12)
    gone = (ErrorCode.unknown_topic_or_partition, ErrorCode.not_leader_or_follower)
    assert response.responses[0].partitions[0].error_code in gone


def test_many_waiting_fetches_are_all_answered_by_one_append(broker, raw, topic):
    waiting = [RawClient(broker.address) for _ in range(50)]
    try:
        for one in waiting:
            send_fetch(one, topic, {0: 0})
        raw.produce(topic, record_batch(numbered(1)))
        assert all(read_fetch(one)[0] for one in waiting)
    finally:
        for one in waiting:
            one.close()


def test_a_wait_that_is_over_is_answered_with_nothing(raw, topic):
    fetched = raw.fetch(topic, 0, max_wait_ms=50)
    assert (fetched.error_code, fetched.high_watermark, fetched.batches) == (0, 0, [])

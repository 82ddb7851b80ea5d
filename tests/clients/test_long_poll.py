"""A waiting Fetch is answered by the append that satisfies it, not by its own timeout.

The client requests a wait of ten minutes and waits half a minute for the response, so that only the
append can cause it, however slow the machine is.
"""

from kio.schema.errors import ErrorCode

from tests.support.clients.long_poll import read_fetch, send_fetch
from tests.support.clients.raw_client import FETCH, RawClient
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import read_response
from tests.support.wire.records import numbered


def test_an_append_answers_a_waiting_fetch(broker, raw, topic):
    with RawClient(broker.address) as client:
        for offset in range(20):
            send_fetch(client, topic, {0: offset})
            assert raw.produce(topic, record_batch(numbered(1))).base_offset == offset
            fetched = read_fetch(client)
            assert int.from_bytes(fetched[0][:8], "big") == offset


def test_the_first_partition_with_data_answers_for_all(broker, raw):
    topic = raw.create_topic(partitions=4)
    with RawClient(broker.address) as client:
        for round_number in range(5):
            send_fetch(client, topic, {0: 0, 1: 0, 2: round_number, 3: 0})
            raw.produce(topic, record_batch(numbered(1)), partition=2)
            fetched = read_fetch(client)
            assert [partition for partition, data in fetched.items() if data] == [2]


def test_min_bytes_counts_all_partitions_together(broker, raw):
    topic = raw.create_topic(partitions=2)
    batch = record_batch(numbered(1, size=1000))
    with RawClient(broker.address) as client:
        send_fetch(client, topic, {0: 0, 1: 0}, min_bytes=2 * len(batch))
        raw.produce(topic, batch, partition=0)
        raw.produce(topic, batch, partition=1)
        fetched = read_fetch(client)
    assert {partition: len(data) for partition, data in fetched.items()} == {
        0: len(batch),
        1: len(batch),
    }


def test_a_deleted_topic_ends_the_wait(broker, raw, topic):
    with RawClient(broker.address) as client:
        send_fetch(client, topic, {0: 0})
        assert raw.delete_topic(topic) == 0
        _, response = read_response(client.read_frame(), FETCH, 12)
    expected = (ErrorCode.unknown_topic_or_partition, ErrorCode.not_leader_or_follower)
    assert response.responses[0].partitions[0].error_code in expected


def test_many_waiting_fetches_are_all_answered_by_one_append(broker, raw, topic):
    clients = [RawClient(broker.address) for _ in range(50)]
    try:
        for client in clients:
            send_fetch(client, topic, {0: 0})
        raw.produce(topic, record_batch(numbered(1)))
        assert all(read_fetch(client)[0] for client in clients)
    finally:
        for client in clients:
            client.close()


def test_a_fetch_whose_wait_expires_is_answered_without_records(raw, topic):
    fetched = raw.fetch(topic, 0, max_wait_ms=50)
    assert (fetched.error_code, fetched.high_watermark, fetched.batches) == (0, 0, [])

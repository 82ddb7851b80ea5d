"""Idempotent producers whose connections are cut: records are stored once and in order."""

import itertools

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.processes.proxy import Proxy
from tests.support.wire.batches import batch_values, record_batch
from tests.support.wire.records import Record, numbered

#: Longer than any test may take.
NEVER_S = 1000
OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH = 45, 47


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def broker(request, tmp_path_factory):
    """A broker behind a proxy, whose address it advertises."""
    proxy = Proxy()
    settings = {"advertised_listeners": f"PLAINTEXT://{proxy.address}"}
    folder = tmp_path_factory.mktemp(f"proxied-{request.param}")
    with DEPLOYMENTS[request.param](folder, **settings) as deployment:
        proxy.target = deployment.address
        deployment.proxy = proxy
        yield deployment
    proxy.close()


@pytest.fixture
def lost_responses(broker, raw, topic):
    """Cuts the connection at every second Produce response, six times; yields the lost ones."""
    responses = itertools.count(1)
    identities = (topic.encode(), raw.topic_id(topic).bytes)
    lost = []

    def is_lost(chunk):
        # Metadata responses name the topic too, together with the broker's address.
        is_produce = any(identity in chunk for identity in identities) and b"127.0.0.1" not in chunk
        if is_produce and next(responses) % 2 == 0 and len(lost) < 6:
            lost.append(chunk)
            return True
        return False

    broker.proxy.must_cut = is_lost
    yield lost
    broker.proxy.must_cut = lambda _: False


def test_lost_responses_cause_no_duplicates(client, broker, topic, lost_responses):
    records = [Record(b"%d" % number + bytes(400_000)) for number in range(40)]
    client.produce(broker.proxy.address, topic, records, idempotent=True)
    with RawClient(broker.address) as direct:
        stored = batch_values(direct.fetch_all(topic))
    assert stored == [record.value for record in records]
    assert len(lost_responses) == 6


@pytest.fixture
def send_batch(raw, topic):
    """A function that sends a batch of two records with the given sequence."""
    identity = raw.init_producer_id()

    def send(sequence, *, epoch=identity.epoch, count=2):
        batch = record_batch(numbered(count), producer=(identity.producer_id, epoch, sequence))
        return tuple(raw.produce(topic, batch))

    return send


def test_a_repeated_batch_is_answered_with_its_first_offset(send_batch, raw, topic):
    assert [send_batch(sequence) for sequence in (0, 2, 4)] == [(0, 0), (0, 2), (0, 4)]
    assert [send_batch(sequence) for sequence in (4, 0, 2)] == [(0, 4), (0, 0), (0, 2)]
    assert raw.offset_at(topic, -1) == 6


def test_the_last_five_batches_are_recognised_and_older_ones_refused(send_batch):
    assert all(send_batch(2 * n) == (0, 2 * n) for n in range(7))
    assert [send_batch(2 * n) for n in range(2, 7)] == [(0, 2 * n) for n in range(2, 7)]
    error_code, _ = send_batch(0)
    assert error_code in (46, OUT_OF_ORDER_SEQUENCE_NUMBER)


def test_a_gap_in_the_sequence_is_refused_and_the_next_sequence_accepted(send_batch):
    assert send_batch(0) == (0, 0)
    assert send_batch(4)[0] == OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send_batch(2) == (0, 2)


def test_an_older_epoch_is_refused_and_a_newer_one_starts_at_zero(send_batch):
    assert send_batch(0, epoch=1) == (0, 0)
    assert send_batch(2, epoch=0)[0] == INVALID_PRODUCER_EPOCH
    assert send_batch(2, epoch=2)[0] == OUT_OF_ORDER_SEQUENCE_NUMBER
    assert send_batch(0, epoch=2) == (0, 2)


def test_a_producer_unknown_to_the_partition_may_start_at_any_sequence(send_batch):
    assert send_batch(1000) == (0, 0)
    assert send_batch(1002) == (0, 2)


def test_sequences_wrap_around_after_the_largest_integer(send_batch):
    assert send_batch(2**31 - 2) == (0, 0)
    assert send_batch(0) == (0, 2)


def test_every_producer_gets_a_unique_id(raw):
    ids = [raw.init_producer_id() for _ in range(2500)]
    assert len({identity.producer_id for identity in ids}) == 2500
    assert {identity.epoch for identity in ids} == {0}


def test_a_transactional_producer_of_librdkafka_fails_at_once(broker):
    # After a retriable error librdkafka would retry until the timeout.
    producer = Producer({"bootstrap.servers": broker.proxy.address, "transactional.id": "mine"})
    with pytest.raises(KafkaException) as raised:
        producer.init_transactions(NEVER_S)
    error = raised.value.args[0]
    assert error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert (error.fatal(), error.retriable()) == (True, False)

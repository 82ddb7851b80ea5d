"""Idempotent producers whose connections are cut: no record twice, none lost, none out of order."""

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
    """A broker that clients reach through a proxy, and know by the proxy's address only."""
    proxy = Proxy()
    settings = {"advertised_listeners": f"PLAINTEXT://{proxy.address}"}
    folder = tmp_path_factory.mktemp(f"proxied-{request.param}")
    with DEPLOYMENTS[request.param](folder, **settings) as deployment:
        proxy.target = deployment.address
        deployment.proxy = proxy
        yield deployment
    proxy.close()


@pytest.fixture
def cutting(broker, raw, topic):
    """Every second answer to a Produce is lost together with its connection, six times."""
    answers = itertools.count(1)
    identities = (topic.encode(), raw.topic_id(topic).bytes)
    cut = []

    def is_lost(chunk):
        # Metadata names the topic too, and the broker's address beside it.
        is_produce = any(one in chunk for one in identities) and b"127.0.0.1" not in chunk
        if is_produce and next(answers) % 2 == 0 and len(cut) < 6:
            cut.append(chunk)
            return True
        return False

    broker.proxy.cut_answer = is_lost
    yield cut
    broker.proxy.cut_answer = lambda _: False


def test_answers_lost_on_the_way_make_no_duplicates(client, broker, topic, cutting):
    records = [Record(b"%d" % number + bytes(400_000)) for number in range(40)]
    client.produce(broker.proxy.address, topic, records, idempotent=True)
    with RawClient(broker.address) as direct:
        stored = batch_values(direct.fetch_all(topic))
    assert stored == [record.value for record in records]
    assert len(cutting) == 6


@pytest.fixture
def producer(raw, topic):
    """Sends numbered batches of two records with the sequence one asks for."""
    identity = raw.init_producer_id()

    def send(sequence, *, epoch=identity.epoch, count=2):
        batch = record_batch(numbered(count), producer=(identity.producer_id, epoch, sequence))
        return tuple(raw.produce(topic, batch))

    return send


def test_a_repeated_batch_is_answered_with_its_first_offset(producer, raw, topic):
    assert [producer(sequence) for sequence in (0, 2, 4)] == [(0, 0), (0, 2), (0, 4)]
    assert [producer(sequence) for sequence in (4, 0, 2)] == [(0, 4), (0, 0), (0, 2)]
    assert raw.offset_at(topic, -1) == 6


def test_the_last_five_batches_are_remembered_and_older_ones_refused(producer):
    assert all(producer(2 * n) == (0, 2 * n) for n in range(7))
    assert [producer(2 * n) for n in range(2, 7)] == [(0, 2 * n) for n in range(2, 7)]
    error_code, _ = producer(0)
    assert error_code in (46, OUT_OF_ORDER_SEQUENCE_NUMBER)


def test_a_gap_in_the_sequence_is_refused_and_the_next_right_batch_accepted(producer):
    assert producer(0) == (0, 0)
    assert producer(4)[0] == OUT_OF_ORDER_SEQUENCE_NUMBER
    assert producer(2) == (0, 2)


def test_an_older_epoch_is_refused_and_a_newer_one_starts_at_zero(producer):
    assert producer(0, epoch=1) == (0, 0)
    assert producer(2, epoch=0)[0] == INVALID_PRODUCER_EPOCH
    assert producer(2, epoch=2)[0] == OUT_OF_ORDER_SEQUENCE_NUMBER
    assert producer(0, epoch=2) == (0, 2)


def test_a_producer_that_a_partition_does_not_know_may_start_anywhere(producer):
    assert producer(1000) == (0, 0)
    assert producer(1002) == (0, 2)


def test_sequences_wrap_around_after_the_largest_integer(producer):
    assert producer(2**31 - 2) == (0, 0)
    assert producer(0) == (0, 2)


def test_every_producer_gets_an_id_of_its_own(raw):
    ids = [raw.init_producer_id() for _ in range(2500)]
    assert len({one.producer_id for one in ids}) == 2500
    assert {one.epoch for one in ids} == {0}


def test_a_transactional_producer_of_librdkafka_fails_at_once(
    broker,
):
    # An error that it takes for passing would be repeated until the time is up.
    producer = Producer({"bootstrap.servers": broker.proxy.address, "transactional.id": "mine"})
    with pytest.raises(KafkaException) as raised:
        producer.init_transactions(NEVER_S)
    error = raised.value.args[0]
    assert error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert (error.fatal(), error.retriable()) == (True, False)

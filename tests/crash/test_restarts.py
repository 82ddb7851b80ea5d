"""Circumstances of a crash: real clients ride it through, services do without each other, a data
directory has one owner, and a polite stop is no worse than a kill.
"""

import subprocess

import pytest
from confluent_kafka import Producer

from tests.support.clients.long_poll import send_fetch
from tests.support.clients.raw_client import LATEST, RawClient
from tests.support.processes.deployments import DEPLOYMENTS, standalone, three_processes
from tests.support.processes.processes import RINGLOG
from tests.support.processes.proxy import Proxy
from tests.support.waiting import eventually
from tests.support.wire.batches import batch_values, record_batch
from tests.support.wire.records import numbered

pytestmark = pytest.mark.slow

WITHIN_S = 120


@pytest.fixture(params=DEPLOYMENTS)
def proxied(request, tmp_path):
    """A broker whose clients keep their address while it comes and goes."""
    proxy = Proxy()
    settings = {"advertised_listeners": f"PLAINTEXT://{proxy.address}"}
    with DEPLOYMENTS[request.param](tmp_path, **settings) as deployment:
        proxy.target = deployment.address
        yield deployment, proxy
    proxy.close()


def test_librdkafka_with_idempotence_rides_through_two_kills(proxied):
    broker, proxy = proxied
    with RawClient(broker.address) as raw:
        topic = raw.create_topic()
    producer = Producer(
        {
            "bootstrap.servers": proxy.address,
            "enable.idempotence": True,
            "linger.ms": 1,
            "batch.num.messages": 20,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
        }
    )
    reports = []
    for third in range(3):
        for number in range(third * 1000, third * 1000 + 1000):
            producer.produce(
                topic,
                b"%d" % number,
                partition=0,
                on_delivery=lambda error, message: reports.append((error, message.offset())),
            )
        if third < 2:
            aim = len(reports) + 50
            eventually(lambda aim=aim: producer.poll(0.01) is not None and len(reports) >= aim)
            broker.restart(*broker.names)
    assert producer.flush(WITHIN_S) == 0
    assert reports == [(None, offset) for offset in range(3000)]
    with RawClient(broker.address) as raw:
        assert raw.offset_at(topic, LATEST) == 3000
        batches = raw.fetch_all(topic)
    assert batch_values(batches) == [b"%d" % number for number in range(3000)]


def test_produce_and_fetch_work_without_the_metadata_service(tmp_path):
    with three_processes(tmp_path) as broker, RawClient(broker.address) as raw:
        topic = raw.create_topic()
        broker.kill("metadata")
        for number in range(50):
            assert raw.produce(topic, record_batch(numbered(1))) == (0, number)
        assert raw.fetch(topic, 0).offsets == list(range(50))
        assert [one.name for one in raw.metadata().topics] == [topic]
        broker.start("metadata")
        eventually(lambda: can_create_topics(raw), what="topics that are created again")
        assert raw.produce(topic, record_batch(numbered(1))) == (0, 50)


def can_create_topics(raw):
    try:
        return bool(raw.create_topic())
    except AssertionError:
        return False


def test_a_partition_service_that_is_away_is_a_retriable_error(tmp_path):
    with three_processes(tmp_path) as broker, RawClient(broker.address) as raw:
        topic = raw.create_topic()
        assert raw.produce(topic, record_batch(numbered(1))) == (0, 0)
        broker.kill("partition")
        for _ in range(3):
            assert raw.produce(topic, record_batch(numbered(1))).error_code in (5, 6, 7, 13)
            assert raw.fetch(topic, 0).error_code in (5, 6, 7, 13)
        broker.start("partition")
        eventually(
            lambda: raw.produce(topic, record_batch(numbered(1))).error_code == 0,
            what="a partition service that is back",
        )
        # Fetches have a connection of their own, which may come back a moment later.
        eventually(
            lambda: raw.fetch(topic, 0).error_code == 0,
            what="a connection for fetches that is back",
        )
        assert len(raw.fetch(topic, 0).offsets) == 2


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_polite_stop_keeps_everything_and_ends_with_status_0(deployment, tmp_path):
    with DEPLOYMENTS[deployment](tmp_path) as broker:
        with RawClient(broker.address) as raw:
            topic = raw.create_topic()
            for number in range(20):
                assert raw.produce(topic, record_batch(numbered(5)), acks=1) == (0, number * 5)
        for name in reversed(broker.names):
            assert broker.processes[name].terminate() == 0, broker.processes[name].tail
        for name in broker.names:
            broker.start(name)
        broker.wait_until_ready()
        with RawClient(broker.address) as raw:
            assert raw.fetch(topic, 0).offsets == list(range(100))


def test_a_long_poll_does_not_hold_up_a_polite_stop(tmp_path):
    with standalone(tmp_path) as broker, RawClient(broker.address) as raw:
        topic = raw.create_topic()
        send_fetch(raw, topic, {0: 0})
        # Far below the ten minutes that the client would wait.
        assert broker.processes["standalone"].terminate() == 0


@pytest.mark.parametrize(
    ("deployment", "name"),
    [(standalone, "standalone"), (three_processes, "partition"), (three_processes, "metadata")],
)
def test_a_second_process_on_the_same_data_is_refused_with_a_clear_message(
    deployment, name, tmp_path
):
    with deployment(tmp_path) as broker, RawClient(broker.address) as raw:
        topic = raw.create_topic()
        elsewhere = [
            "127.0.0.1:0" if word in addresses_of(broker) else word
            for word in broker.commands[name]
        ]
        second = subprocess.run(
            elsewhere, capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
        assert second.returncode not in (0, -9)
        output = second.stderr + second.stdout
        assert "Traceback" not in output, output
        assert str(tmp_path) in output, output
        assert any(word in output.lower() for word in ("another process", "in use", "lock")), output
        assert raw.produce(topic, record_batch(numbered(1))) == (0, 0)


def addresses_of(broker):
    return {broker.address, *(broker.grpc_address(name) for name in broker.names)}


@pytest.mark.parametrize(
    ("setting", "output"),
    [
        ("no.such.setting=1", "no.such.setting"),
        ("num.partitions=0", "num.partitions"),
        ("message.max.bytes=lots", "message.max.bytes"),
    ],
)
def test_a_wrong_setting_is_refused_at_start_by_name(setting, output, tmp_path):
    command = [RINGLOG, "standalone", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path)]
    done = subprocess.run(
        [*command, "--set", setting], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert output in done.stderr
    assert "Traceback" not in done.stderr

"""Restarts: real clients retry through them, services work while another is down, a data directory
has one owner, and a graceful stop keeps as much as a kill.
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
    """A broker behind a proxy, so that its address does not change with a restart."""
    proxy = Proxy()
    settings = {"advertised_listeners": f"PLAINTEXT://{proxy.address}"}
    with DEPLOYMENTS[request.param](tmp_path, **settings) as deployment:
        proxy.target = deployment.address
        yield deployment, proxy
    proxy.close()


def test_idempotent_librdkafka_producer_keeps_order_through_two_kills(proxied):
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
            count = len(reports) + 50
            eventually(
                lambda count=count: producer.poll(0.01) is not None and len(reports) >= count
            )
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
        assert [listed.name for listed in raw.metadata().topics] == [topic]
        broker.start("metadata")
        eventually(lambda: can_create_topics(raw), what="creation of topics")
        assert raw.produce(topic, record_batch(numbered(1))) == (0, 50)


def can_create_topics(raw):
    try:
        return bool(raw.create_topic())
    except AssertionError:
        return False


def test_requests_get_a_retriable_error_while_the_partition_service_is_down(tmp_path):
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
            what="an append after the restart",
        )
        # Fetches have a connection of their own, which may come back a moment later.
        eventually(
            lambda: raw.fetch(topic, 0).error_code == 0,
            what="a fetch after the restart",
        )
        assert len(raw.fetch(topic, 0).offsets) == 2


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_graceful_stop_keeps_all_records_and_ends_with_status_0(deployment, tmp_path):
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


def test_a_long_poll_does_not_delay_a_graceful_stop(tmp_path):
    with standalone(tmp_path) as broker, RawClient(broker.address) as raw:
        topic = raw.create_topic()
        send_fetch(raw, topic, {0: 0})
        # The process is waited for much shorter than the ten minutes of the long poll.
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
        command = [
            "127.0.0.1:0" if argument in addresses_of(broker) else argument
            for argument in broker.commands[name]
        ]
        second = subprocess.run(
            command, capture_output=True, text=True, timeout=WITHIN_S, check=False
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
    completed = subprocess.run(
        [*command, "--set", setting], capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.returncode == 2
    assert output in completed.stderr
    assert "Traceback" not in completed.stderr

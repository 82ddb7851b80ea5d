"""Two gateways behind one load balancer: clients see one broker, which is always available."""

from contextlib import ExitStack
from itertools import count

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.deploy.node import Node
from tests.support.processes.proxy import Proxy

GATEWAYS = ("gateway-0", "gateway-1")
PARTITIONS = 4
RECORDS = 200


class LoadBalancer(Proxy):
    """Connects clients to its targets in turn; `targets` are the gateways that are ready."""

    def __init__(self, targets):
        self.targets = targets
        self._numbers = count()
        super().__init__()

    @property
    def target(self):
        return self.targets[next(self._numbers) % len(self.targets)]

    @target.setter
    def target(self, _):
        """Ignores the empty target that Proxy starts with."""


@pytest.fixture
def running(tmp_path):
    """Running pods, and the load balancer whose address all gateways advertise."""
    with ExitStack() as stack:
        node = Node(tmp_path, stack)
        balancer = LoadBalancer([node.address(name, "EXTERNAL") for name in GATEWAYS])
        stack.callback(balancer.close)
        for name in ("metadata-0", "partition-0"):
            node.start(name)
        for name in GATEWAYS:
            internal = f"INTERNAL://{node.address(name, 'INTERNAL')}"
            listeners = f"{internal},EXTERNAL://{balancer.address}"
            node.start(name, advertised_listeners=listeners)
        for name in node.processes:
            node.wait_for(name, "readinessProbe")
        yield node, balancer


def test_clients_produce_to_every_partition_and_read_it(running):
    address = running[1].address
    assert len(_create_topic(address).list_topics(timeout=30).brokers) == 1
    producer = _producer(address)
    assert _find_mismatches(address, _send(producer, "one")) == []


def test_clients_continue_when_a_gateway_leaves(running):
    """Clients then see the broker with the id of the other gateway."""
    node, balancer = running
    address = balancer.address
    admin = _create_topic(address)
    producer = _producer(address)
    before = _send(producer, "before")
    node.processes["gateway-0"].kill()
    balancer.targets = [node.address("gateway-1", "EXTERNAL")]
    assert _find_mismatches(address, before | _send(producer, "after")) == []
    assert list(admin.list_topics(timeout=30).brokers) == [1]


def _create_topic(address):
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    admin.create_topics([NewTopic("t", PARTITIONS, 1)])["t"].result(30)
    return admin


def _producer(address):
    return Producer({"bootstrap.servers": address, "enable.idempotence": True, "log_level": 0})


def _send(producer, prefix):
    """Sends records to every partition; returns their values when all are acknowledged."""
    failed = []

    def on_delivery(error, _):
        if error is not None:
            failed.append(error)

    values = {f"{prefix}-{number}".encode() for number in range(RECORDS)}
    for number, value in enumerate(sorted(values)):
        producer.produce("t", value, partition=number % PARTITIONS, on_delivery=on_delivery)
    assert producer.flush(60) == 0
    assert not failed
    return values


def _find_mismatches(address, expected):
    """Reads as many records as are expected; returns missing and unexpected values."""
    # Without commits, a consumer that is closed does not look for its coordinator.
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "never-joined",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.assign([TopicPartition("t", number, 0) for number in range(PARTITIONS)])
    values = []
    try:
        while len(values) < len(expected):
            record = consumer.poll(30)
            assert record is not None, f"only {len(values)} records"
            if record.error() is None:
                values.append(record.value())
    finally:
        consumer.close()
    return sorted(expected.symmetric_difference(values))

"""Probes and Metadata responses of real processes with the settings of the pods."""

from contextlib import ExitStack

import pytest
from confluent_kafka.admin import AdminClient

from tests.deploy.node import Node

PODS = ("metadata-0", "partition-0", "gateway-0")


@pytest.fixture
def node(tmp_path):
    with ExitStack() as stack:
        yield Node(tmp_path, stack)


def test_liveness_depends_on_no_other_service_and_readiness_on_the_cluster(node):
    for name in ("partition-0", "gateway-0"):
        node.start(name)
    for name in ("partition-0", "gateway-0"):
        node.wait_for(name, "startupProbe")
        assert node.passes(name, "livenessProbe")
        assert not node.passes(name, "readinessProbe")
    node.start("metadata-0")
    for name in PODS:
        node.wait_for(name, "readinessProbe")
    node.processes["metadata-0"].kill()
    for name in ("partition-0", "gateway-0"):
        node.processes[name].wait_for_line("metadata service lost")
        assert node.passes(name, "livenessProbe")
        assert node.passes(name, "readinessProbe"), (
            "a service that lost the metadata service still serves requests"
        )


def test_metadata_names_the_address_of_the_listener(node):
    for name in PODS:
        node.start(name)
    node.wait_for("gateway-0", "readinessProbe")
    assert _list_brokers(node, "INTERNAL") == {(0, "gateway-0.gateway.ringlog.svc:9092")}
    assert _list_brokers(node, "EXTERNAL") == {(0, "localhost:31090")}


def _list_brokers(node, listener):
    """Returns the brokers in Metadata of a listener: (node id, host:port)."""
    client = AdminClient({"bootstrap.servers": node.address("gateway-0", listener)})
    brokers = client.list_topics(timeout=30).brokers.values()
    return {(broker.id, f"{broker.host}:{broker.port}") for broker in brokers}


def test_pods_exit_with_status_0_when_they_are_stopped(node):
    for name in PODS:
        node.start(name)
    for name in PODS:
        node.wait_for(name, "readinessProbe")
    for name in reversed(PODS):
        assert node.processes[name].terminate() == 0

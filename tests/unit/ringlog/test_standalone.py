"""Tests of the standalone process: its addresses, signals and errors.

Tests with real clients are in tests/clients.
"""

import signal
import socket
import subprocess
import sys

import pytest
from confluent_kafka import Producer

from common.config.sources import read_settings
from ringlog.announcement import read_announcement
from ringlog.config import CLASSES, FIXED, settings_of
from tests.support.processes.ports import ReservedPort


class Process:
    """A process of `ringlog standalone`, with its output."""

    def __init__(self, *arguments):
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "ringlog", "standalone", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def addresses(self):
        addresses = read_announcement(self.popen.stdout)
        assert addresses is not None, self.popen.stderr.read()
        return addresses

    def stop(self, signal_number=signal.SIGTERM):
        """Sends a signal; returns the exit status and stderr."""
        self.popen.send_signal(signal_number)
        _, output = self.popen.communicate()
        return self.popen.returncode, output

    def failure(self):
        """Returns the stderr of a process that could not run."""
        _, output = self.popen.communicate()
        assert self.popen.returncode == 1
        return output


@pytest.fixture
def start(tmp_path):
    processes = []

    def start(*arguments, data_dir=tmp_path / "data"):
        process = Process("--data-dir", str(data_dir), *arguments)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.popen.kill()
        process.popen.communicate()


@pytest.fixture
def ports():
    """Two ports reserved for the test."""
    reserved = [ReservedPort(), ReservedPort()]
    yield reserved
    for port in reserved:
        port.release()


def _listen_on_next_port(port):
    """Returns a server on the next port; None if that port cannot be bound."""
    try:
        return socket.create_server(("127.0.0.1", port.port + 1))
    except OSError:
        return None


def _advertised_broker(bootstrap):
    """Returns the address in the metadata that a client gets from `bootstrap`."""
    cluster = Producer({"bootstrap.servers": bootstrap}).list_topics(timeout=30)
    (broker,) = cluster.brokers.values()
    return f"{broker.host}:{broker.port}"


def test_standalone_prints_its_addresses_and_stops_at_a_signal(start):
    process = start("--listen", "localhost:0")
    addresses = process.addresses()
    kafka_port = int(addresses.kafka.rpartition(":")[2])
    assert addresses.kafka == f"localhost:{kafka_port}"
    assert addresses.grpc.startswith("localhost:")
    status, output = process.stop()
    assert status == 0, output
    assert "Traceback" not in output


def test_open_connection_does_not_delay_the_stop(start):
    process = start("--listen", "localhost:0")
    host, _, port = process.addresses().kafka.rpartition(":")
    with socket.create_connection((host, int(port))):
        status, output = process.stop(signal.SIGINT)
    assert status == 0, output


def test_standalone_listens_on_the_given_addresses(start, ports):
    kafka, grpc = ports
    process = start("--listen", kafka.address, "--grpc-listen", grpc.address)
    assert process.addresses() == (kafka.address, grpc.address)


def test_grpc_uses_a_free_port_if_the_port_after_kafka_is_taken(start, ports):
    kafka = next(port for port in ports if port.port < 65535)
    # In use by this test or by another process.
    next_listener = _listen_on_next_port(kafka)
    addresses = start("--listen", kafka.address).addresses()
    if next_listener is not None:
        next_listener.close()
    assert addresses.kafka == kafka.address
    assert addresses.grpc != f"127.0.0.1:{kafka.port + 1}"


def test_wildcard_listener_advertises_the_address_that_the_client_reached(start):
    addresses = start("--listen", "0.0.0.0:0").addresses()
    port = addresses.kafka.rpartition(":")[2]
    assert addresses.kafka == f"localhost:{port}"
    assert _advertised_broker(f"127.0.0.1:{port}") == f"127.0.0.1:{port}"


def test_advertised_address_is_returned_to_clients(start, ports):
    kafka, _ = ports
    listeners = f"listeners=INSIDE://{kafka.address}"
    advertised = f"advertised.listeners=INSIDE://localhost:{kafka.port}"
    start("--set", listeners, "--set", advertised).addresses()
    assert _advertised_broker(kafka.address) == f"localhost:{kafka.port}"


def test_standalone_reports_an_address_in_use(start):
    with socket.create_server(("127.0.0.1", 0)) as blocker:
        address = f"127.0.0.1:{blocker.getsockname()[1]}"
        assert f"cannot listen on {address}" in start("--listen", address).failure()
        output = start("--listen", "127.0.0.1:0", "--grpc-listen", address).failure()
        assert f"cannot listen on {address}" in output


def test_second_process_on_the_same_data_fails(start, tmp_path):
    first = start("--listen", "127.0.0.1:0")
    first.addresses()
    output = start("--listen", "127.0.0.1:0").failure()
    assert str(tmp_path / "data") in output
    assert "Traceback" not in output


def test_data_path_that_is_no_directory_is_rejected(start, tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    assert str(file) in start("--listen", "127.0.0.1:0", data_dir=file).failure()


def _services(*arguments):
    configuration = read_settings(
        "ringlog", "", CLASSES, fixed=FIXED, arguments=arguments, environment={}
    )
    return settings_of(configuration)


def test_data_directory_has_both_stores():
    services = _services("--data-dir", "/srv/ringlog")
    assert services.partition.data_dir == "/srv/ringlog/partition"
    assert services.metadata.data_dir == "/srv/ringlog/metadata"


def test_setting_is_passed_to_the_service_that_declares_it():
    services = _services(
        "--set",
        "num.partitions=3",
        "--set",
        "max.connections=7",
        "--set",
        "log.flush.bytes=2000000",
    )
    assert services.metadata.num_partitions == 3
    assert services.gateway.max_connections == 7
    assert services.partition.flush_bytes == 2_000_000


def test_listeners_override_listen():
    services = _services("--set", "listeners=A://127.0.0.1:1,B://127.0.0.1:2")
    assert [listener.port for listener in services.gateway.bound] == [1, 2]


def test_ring_status_tries_addresses_until_one_responds(start):
    broker = start("--listen", "127.0.0.1:0").addresses()
    unused_port = ReservedPort()
    addresses = f"{unused_port.address},{broker.grpc}"
    command = [sys.executable, "-m", "ringlog", "ring", "status", "--metadata", addresses]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    unused_port.release()
    assert "partition-0" in completed.stdout, completed.stderr

import uuid

import pytest

from common.etcd.client import EtcdClient
from tests.support.processes.etcd import EtcdServer


@pytest.fixture(scope="session")
def shared_etcd(tmp_path_factory):
    """One server for all tests that leave it alone."""
    with EtcdServer(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@pytest.fixture
def own_etcd(tmp_path):
    """A server for a test that stops it."""
    with EtcdServer(tmp_path) as server:
        yield server


@pytest.fixture
def client(shared_etcd):
    with EtcdClient([shared_etcd.address]) as client:
        shared_etcd.wait_until_ready(client)
        yield client


@pytest.fixture
def own_client(own_etcd):
    with EtcdClient([own_etcd.address]) as client:
        own_etcd.wait_until_ready(client)
        yield client


@pytest.fixture
def prefix():
    """Part of the shared server that no other test has."""
    return f"/test/{uuid.uuid4()}/".encode()

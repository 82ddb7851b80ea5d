"""Fixtures: a broker of each deployment, and a client of each Python library."""

import pytest

from tests.clients.adapters.aio import AioClient
from tests.clients.adapters.confluent import ConfluentClient
from tests.clients.adapters.python import PythonClient
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS

CLIENTS = (ConfluentClient(), AioClient(), PythonClient())


@pytest.fixture(scope="session", params=DEPLOYMENTS)
def broker(request, tmp_path_factory):
    """A running broker, which all tests share; each test creates its own topics."""
    start, folder = DEPLOYMENTS[request.param], tmp_path_factory.mktemp(request.param)
    with start(folder, group_initial_rebalance_delay_ms="0") as deployment:
        yield deployment


@pytest.fixture(autouse=True)
def _assert_broker_keeps_running(request):
    broker = request.getfixturevalue("broker") if "broker" in request.fixturenames else None
    yield
    if broker is not None:
        broker.assert_running()


@pytest.fixture
def raw(broker):
    with RawClient(broker.address) as client:
        yield client


@pytest.fixture
def topic(raw):
    """A new topic with one partition."""
    return raw.create_topic()


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request):
    return request.param

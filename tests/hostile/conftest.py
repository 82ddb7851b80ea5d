"""Fixtures: a broker with small limits; around every test a bystander and a check of the logs."""

import resource

import pytest

from tests.support.clients.bystander import Bystander
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS

#: Limit on the memory of requests and unsent responses, over all connections.
MEMORY_MAX = 32 << 20
FRAME_MAX = 8 << 20
OPEN_FILES = 10_000

LIMITS = {
    "socket_request_max_bytes": str(FRAME_MAX),
    "queued_max_request_bytes": str(MEMORY_MAX),
    "connection_queued_max_request_bytes": str(4 << 20),
    "connections_max_stalled_ms": "2000",
    "max_connections": "4000",
}


@pytest.fixture(scope="session", autouse=True)
def _raise_open_files_limit():
    """Raises the limit of open files, which both ends of thousands of connections need.

    The broker inherits the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="package", params=DEPLOYMENTS)
def broker(request, tmp_path_factory, _raise_open_files_limit):
    folder = tmp_path_factory.mktemp(f"hostile-{request.param}")
    with DEPLOYMENTS[request.param](folder, **LIMITS) as deployment:
        yield deployment


@pytest.fixture(autouse=True)
def _assert_no_effect_on_others(broker):
    """Asserts that another client is served, that processes keep running, and log no error."""
    with Bystander(broker):
        yield
    broker.assert_running()
    for process in broker.processes.values():
        assert not process.lines_with(r"Traceback|\bERROR\b"), process.tail


@pytest.fixture
def raw(broker):
    with RawClient(broker.address) as client:
        yield client


@pytest.fixture
def topic(raw):
    return raw.create_topic()

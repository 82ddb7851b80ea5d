"""A broker with small limits, a bystander beside every attack, and a log without tracebacks."""

import resource

import pytest

from tests.support.clients.bystander import Bystander
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS

#: What the process may hold of requests and unsent answers, all connections together.
MEMORY_MAX = 32 << 20
FRAME_MAX = 8 << 20
FILES_WANTED = 10_000

LIMITS = {
    "socket_request_max_bytes": str(FRAME_MAX),
    "queued_max_request_bytes": str(MEMORY_MAX),
    "connection_queued_max_request_bytes": str(4 << 20),
    "connections_max_stalled_ms": "2000",
    "max_connections": "4000",
}


@pytest.fixture(scope="session", autouse=True)
def _enough_files():
    """Both ends of thousands of connections need open files; the broker inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="package", params=DEPLOYMENTS)
def broker(request, tmp_path_factory, _enough_files):
    folder = tmp_path_factory.mktemp(f"hostile-{request.param}")
    with DEPLOYMENTS[request.param](folder, **LIMITS) as deployment:
        yield deployment


@pytest.fixture(autouse=True)
def _nobody_notices(broker):
    """Around every test: a client that works, processes that stay, no bug in their logs."""
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

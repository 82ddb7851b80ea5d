"""Brokers and client libraries: each test runs against both ways to run ringlog."""

import re

import pytest

from tests.interop.libraries import LIBRARIES
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS

#: Levels as slf4j, franz-go and kafkajs write them, and sarama's words.
_COMPLAINT = re.compile(r"\b(WARN|ERROR|error|failed)\b")


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def broker(request, tmp_path_factory):
    start, folder = DEPLOYMENTS[request.param], tmp_path_factory.mktemp(request.param)
    # Members of the new protocol learn at their heartbeats what changed.
    with start(folder, group_consumer_heartbeat_interval_ms="500") as deployment:
        yield deployment


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.name)
def library(request):
    request.param.language.build()
    return request.param


@pytest.fixture
def raw(broker):
    with RawClient(broker.address) as client:
        yield client


@pytest.fixture
def calm():
    """Returns a check whether a program of `library` logged a complaint that is not listed here."""

    def check(library, program):
        noise = re.compile(library.noise)
        complaints = [
            line for line in program.log if _COMPLAINT.search(line) and not noise.search(line)
        ]
        assert not complaints

    return check

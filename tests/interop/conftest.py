"""Brokers and client libraries: each test runs with every deployment of ringlog."""

import re

import pytest

from tests.interop.libraries import LIBRARIES
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS

#: Levels as slf4j, franz-go and kafkajs write them; sarama has no levels.
_COMPLAINT = re.compile(r"\b(WARN|ERROR|error|failed)\b")


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def broker(request, tmp_path_factory):
    start, folder = DEPLOYMENTS[request.param], tmp_path_factory.mktemp(request.param)
    # Members of the consumer protocol get changes in responses to heartbeats.
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
def assert_no_complaints():
    """Returns a check that a program of `library` logged no unexpected warning or error."""

    def check(library, program):
        expected = re.compile(library.expected_complaints)
        complaints = [
            line for line in program.log if _COMPLAINT.search(line) and not expected.search(line)
        ]
        assert not complaints

    return check

"""Apache Kafka and ringlog beside each other, for all tests in here."""

from operator import attrgetter

import pytest

from tests.differential.kafka_broker import running_kafka
from tests.differential.known_differences import KNOWN_DIFFERENCES
from tests.differential.requests import find_coordinator, init_producer_id, offset_fetch
from tests.differential.sides import Sides, report
from tests.support.clients.raw_client import INIT_PRODUCER_ID
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.wire.group_apis import FIND_COORDINATOR, OFFSET_FETCH

#: Of both.
SETTINGS = {
    "node.id": "1",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "5",
    "num.partitions": "1",
}
#: Kafka's alone: ringlog assigns when a group changes, and waits for nothing. Records of tests are
#: of 2023, and retention would delete them. A coordinator that lingers before it appends describes
#: a group as it was before the last request, if that was answered with MEMBER_ID_REQUIRED.
KAFKAS = {
    "log.initial.task.delay.ms": "86400000",
    "log.retention.check.interval.ms": "86400000",
    "group.consumer.min.assignment.interval.ms": "0",
    "group.consumer.assignment.interval.ms": "0",
    "group.consumer.assignor.offload.enable": "false",
    "group.coordinator.append.linger.ms": "0",
}


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.differential)


def pytest_terminal_summary(terminalreporter):
    """Names what is on the list and was not met: it may have become the same since."""
    if not any(known.count for known in KNOWN_DIFFERENCES):
        return
    for known in KNOWN_DIFFERENCES:
        if not known.count:
            terminalreporter.write_line(f"not met: {known.path} ({known.reason})")


@pytest.fixture(scope="session")
def brokers(tmp_path_factory):
    """The addresses of both."""
    settings = {name.replace(".", "_"): value for name, value in SETTINGS.items()}
    kafkas = {name: value for name, value in SETTINGS.items() if name != "node.id"} | KAFKAS
    start = DEPLOYMENTS["standalone"]
    with (
        start(tmp_path_factory.mktemp("ringlog"), **settings) as ringlog,
        running_kafka(tmp_path_factory.mktemp("kafka"), kafkas) as kafka,
    ):
        _wait_for_coordinators(kafka, ringlog.address)
        yield kafka, ringlog.address


def _wait_for_coordinators(*addresses):
    """Waits until both give producer ids and serve groups: Kafka creates its topics for that."""
    sides = Sides(*addresses)
    no_error = attrgetter("error_code")
    sides.prepare(INIT_PRODUCER_ID, 5, init_producer_id(), lambda found: not no_error(found))
    for group in (f"warm-up-{number}" for number in range(20)):
        sides.prepare(FIND_COORDINATOR, 3, find_coordinator(group), lambda one: not no_error(one))
        asked = offset_fetch(group, every=True)
        sides.prepare(OFFSET_FETCH, 7, asked, lambda found: not no_error(found))
    sides.close()


@pytest.fixture
def sides(brokers):
    """Fails where answers differed and nothing explains it."""
    sides = Sides(*brokers)
    yield sides
    sides.close()
    if sides.unexpected:
        pytest.fail("answers differ:\n" + report(sides.unexpected), pytrace=False)

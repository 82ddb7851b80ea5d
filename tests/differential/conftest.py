"""Apache Kafka and ringlog side by side, for all tests in this folder."""

import pytest

from tests.differential.known_differences import KNOWN_DIFFERENCES
from tests.differential.requests import find_coordinator, init_producer_id, offset_fetch
from tests.differential.sides import Sides, report
from tests.support.clients.raw_client import INIT_PRODUCER_ID
from tests.support.kafka.kafka_broker import running_kafka
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.wire.group_apis import FIND_COORDINATOR, OFFSET_FETCH

#: Settings of both brokers.
SETTINGS = {
    "node.id": "1",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "5",
    "num.partitions": "1",
}
#: Settings of Kafka only. ringlog assigns partitions as soon as a group changes, so Kafka should.
#: Records of tests have timestamps of 2023, and retention would delete them. A coordinator that
#: lingers before it appends describes a group as it was before the last request, if the response to
#: that was MEMBER_ID_REQUIRED.
KAFKA_SETTINGS = {
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
    """Lists the known differences that did not occur: they may have been fixed since."""
    if not any(known.count for known in KNOWN_DIFFERENCES):
        return
    for known in KNOWN_DIFFERENCES:
        if not known.count:
            terminalreporter.write_line(f"did not occur: {known.path} ({known.reason})")


@pytest.fixture(scope="session")
def brokers(tmp_path_factory):
    """Addresses of Kafka and ringlog."""
    settings = {name.replace(".", "_"): value for name, value in SETTINGS.items()}
    kafka_settings = {
        name: value for name, value in SETTINGS.items() if name != "node.id"
    } | KAFKA_SETTINGS
    start = DEPLOYMENTS["standalone"]
    with (
        start(tmp_path_factory.mktemp("ringlog"), **settings) as ringlog,
        running_kafka(tmp_path_factory.mktemp("kafka"), kafka_settings) as kafka,
    ):
        _wait_for_coordinators(kafka, ringlog.address)
        yield kafka, ringlog.address


def _wait_for_coordinators(*addresses):
    """Waits until both allocate producer ids and serve groups, after Kafka created its topics."""
    sides = Sides(*addresses)
    sides.prepare(INIT_PRODUCER_ID, 5, init_producer_id(), _has_no_error)
    for group in (f"warm-up-{number}" for number in range(20)):
        sides.prepare(FIND_COORDINATOR, 3, find_coordinator(group), _has_no_error)
        sides.prepare(OFFSET_FETCH, 7, offset_fetch(group, all_topics=True), _has_no_error)
    sides.close()


def _has_no_error(response):
    return not response.error_code


@pytest.fixture
def sides(brokers):
    """Both brokers; fails the test if responses differed and no known difference explains it."""
    sides = Sides(*brokers)
    yield sides
    sides.close()
    if sides.unexpected:
        pytest.fail("responses differ:\n" + report(sides.unexpected), pytrace=False)

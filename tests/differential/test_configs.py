"""DescribeConfigs, DescribeCluster, ApiVersions and FindCoordinator."""

from tests.differential.requests import (
    BROKER_RESOURCE,
    TOPIC_RESOURCE,
    describe_configs,
    find_coordinator,
)
from tests.differential.sides import versions_of
from tests.support.clients.raw_client import API_VERSIONS, DESCRIBE_CLUSTER, DESCRIBE_CONFIGS
from tests.support.wire.group_apis import FIND_COORDINATOR

GROUP_RESOURCE = 32


def test_configs_are_described_as_in_kafka(sides):
    sides.new_topic("configured", configs={"retention_ms": "1234", "cleanup_policy": "compact"})
    for version in versions_of(DESCRIBE_CONFIGS):
        for request in (
            describe_configs((TOPIC_RESOURCE, "configured", None)),
            describe_configs((TOPIC_RESOURCE, "configured", ["retention.ms", "no.such.config"])),
            describe_configs((TOPIC_RESOURCE, "configured", [])),
            describe_configs((TOPIC_RESOURCE, "unknown", None)),
            describe_configs((TOPIC_RESOURCE, "no/slash", None), (TOPIC_RESOURCE, "", None)),
            describe_configs((TOPIC_RESOURCE, "__consumer_offsets", ["cleanup.policy"])),
            describe_configs((BROKER_RESOURCE, "1", ["node.id", "num.partitions", "broker.id"])),
            describe_configs((BROKER_RESOURCE, "1", ["offsets.retention.minutes"])),
            describe_configs((BROKER_RESOURCE, "1", ["offsets.topic.num.partitions"])),
            describe_configs((BROKER_RESOURCE, "1", ["offsets.topic.replication.factor"])),
            describe_configs((BROKER_RESOURCE, "1", ["auto.create.topics.enable"])),
            describe_configs((BROKER_RESOURCE, "", None)),
            describe_configs((BROKER_RESOURCE, "7", None), (BROKER_RESOURCE, "x", None)),
            describe_configs((0, "x", None), (3, "x", None), (77, "x", None)),
            describe_configs(),
        ):
            sides.compare(DESCRIBE_CONFIGS, version, request)


def test_the_cluster_is_described_as_in_kafka(sides):
    for version in versions_of(DESCRIBE_CLUSTER):
        for endpoint_type in (1, 2, 7):
            for is_requested in (True, False):
                values = {
                    "include_cluster_authorized_operations": is_requested,
                    "endpoint_type": endpoint_type,
                    "include_fenced_brokers": is_requested,
                }
                sides.compare(DESCRIBE_CLUSTER, version, values)


def test_api_versions_are_equal(sides):
    for version in versions_of(API_VERSIONS):
        for name in ("tests", "", "no good: ü"):
            values = {"client_software_name": name, "client_software_version": "1"}
            sides.compare(API_VERSIONS, version, values)


def test_coordinators_are_found_as_in_kafka(sides):
    for version in versions_of(FIND_COORDINATOR):
        for request in (
            find_coordinator("a"),
            find_coordinator(""),
            find_coordinator("a", "b", "a"),
            find_coordinator(),
            find_coordinator("a", key_type=7),
            find_coordinator("a", key_type=-1),
        ):
            sides.compare(FIND_COORDINATOR, version, request)

from dataclasses import replace

import pytest

from common.config.topic_config_table import TOPIC_CONFIGS
from common.ports.metadata import ClusterChange
from gateway_svc.handlers.describe_configs import describe_configs
from gateway_svc.wire.apis.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.handlers.fake_cluster import ORDERS, FakeCluster

TOPIC, BROKER = 2, 4


def describe(resource_type: int, name: str, keys: list[str] | None = None, **fields: bool):
    resource = DescribeConfigsResource(
        resource_type=resource_type, resource_name=name, configuration_keys=keys
    )
    request = DescribeConfigsRequest(resources=[resource], **fields)
    (result,) = FakeCluster().send(describe_configs, request, 4).results
    assert (result.resource_type, result.resource_name) == (resource_type, name)
    return result


def test_topic_configs_have_their_sources_and_synonyms():
    configs = {
        config.name: config for config in describe(TOPIC, "payments", include_synonyms=True).configs
    }
    own = configs["retention.ms"]
    assert (own.value, own.config_source, own.is_default, own.read_only) == (
        "1000",
        1,
        False,
        False,
    )
    assert [(synonym.name, synonym.value, synonym.source) for synonym in own.synonyms] == [
        ("retention.ms", "1000", 1),
        ("log.retention.hours", "24", 4),  # as it was set, in its own unit
    ]
    default = configs["cleanup.policy"]
    assert (default.value, default.config_source, default.is_default) == ("delete", 5, True)


def test_topic_configs_omit_synonyms_without_a_value():
    configs = {
        config.name: config for config in describe(TOPIC, "payments", include_synonyms=True).configs
    }
    synonyms = {name: [synonym.name for synonym in configs[name].synonyms] for name in configs}
    # Of several synonyms the first has no default in Apache Kafka, and some have none at all.
    assert (synonyms["segment.ms"], synonyms["remote.storage.enable"]) == ([], [])
    assert synonyms["cleanup.policy"] == ["log.cleanup.policy"]


def test_topic_config_has_the_broker_value_by_default():
    configs = {config.name: config for config in describe(TOPIC, "orders").configs}
    assert (configs["retention.ms"].value, configs["retention.ms"].config_source) == (
        "86400000",
        4,
    )


def test_topic_configs_have_documentation_on_request():
    documented = describe(TOPIC, "orders", include_documentation=True).configs
    assert all(config.config_type > 0 and config.documentation for config in documented)
    undocumented = describe(TOPIC, "orders").configs
    assert not any(config.documentation or config.synonyms for config in undocumented)


@pytest.mark.parametrize("keys", [None, []])
def test_describe_configs_returns_all_configs_without_keys(keys):
    assert len(describe(TOPIC, "orders", keys).configs) > 20


def test_describe_configs_returns_requested_keys_and_omits_unknown_ones():
    configs = describe(TOPIC, "orders", ["retention.ms", "nonsense", "cleanup.policy"]).configs
    assert [config.name for config in configs] == ["cleanup.policy", "retention.ms"]


def test_broker_configs_include_settings_of_the_cluster():
    configs = {
        config.name: config for config in describe(BROKER, "1", include_synonyms=True).configs
    }
    node_id = configs["node.id"]
    assert (node_id.value, node_id.config_source, node_id.read_only) == ("1", 4, True)
    assert [(synonym.value, synonym.source) for synonym in node_id.synonyms] == [("1", 4), ("0", 5)]
    assert (configs["num.partitions"].value, configs["num.partitions"].config_source) == ("2", 4)
    assert (configs["log.retention.hours"].value, configs["fetch.max.bytes"].config_source) == (
        "24",
        5,
    )
    assert configs["message.max.bytes"].value == "1048588"
    assert all(config.config_type > 0 for config in configs.values())


def test_broker_configs_are_empty_for_all_brokers():
    result = describe(BROKER, "")
    assert (result.error_code, result.configs) == (ErrorCode.NONE, [])


@pytest.mark.parametrize(
    ("resource_type", "name", "error_code"),
    [
        (TOPIC, "nowhere", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "no/slash", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (BROKER, "2", ErrorCode.INVALID_REQUEST),
        (BROKER, "one", ErrorCode.INVALID_REQUEST),
        (8, "1", ErrorCode.INVALID_REQUEST),
        (0, "", ErrorCode.INVALID_REQUEST),
    ],
    ids=["topic", "bad topic", "other broker", "no number", "broker logger", "unknown type"],
)
def test_describe_configs_returns_an_error_for_a_missing_resource(resource_type, name, error_code):
    result = describe(resource_type, name)
    assert (result.error_code, result.configs) == (error_code, ())
    assert result.error_message


def test_describe_configs_describes_a_repeated_resource_once():
    resources = [
        DescribeConfigsResource(resource_type=TOPIC, resource_name=name, configuration_keys=keys)
        for name, keys in [
            ("orders", None),
            ("payments", None),
            ("orders", ["retention.ms"]),
            ("orders", []),
            ("nowhere", None),
            ("orders", None),
            ("nowhere", None),
        ]
    ]
    response = FakeCluster().send(
        describe_configs, DescribeConfigsRequest(resources=resources * 9), 4
    )
    described = [(result.resource_name, len(result.configs)) for result in response.results]
    topic_count = len(TOPIC_CONFIGS)
    assert described == [
        ("orders", topic_count),
        ("payments", topic_count),
        ("orders", 1),
        ("nowhere", 0),
    ]


def test_topics_with_the_same_configs_share_their_description():
    cluster = FakeCluster()
    names = [f"t{number}" for number in range(3)]
    for name in names:
        topic = replace(ORDERS, topic_id=name.encode().ljust(16), name=name)
        cluster.view.apply(ClusterChange(9, cluster.view.cluster_id, topics=(topic,)))
    resources = [
        DescribeConfigsResource(resource_type=TOPIC, resource_name=name, configuration_keys=None)
        for name in (*names, "payments")
    ]
    response = cluster.send(describe_configs, DescribeConfigsRequest(resources=resources), 4)
    *orders_configs, payments_configs = [result.configs for result in response.results]
    assert all(configs is orders_configs[0] for configs in orders_configs)
    assert payments_configs != orders_configs[0]

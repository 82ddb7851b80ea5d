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


def ask(resource_type: int, name: str, keys: list[str] | None = None, **fields: bool):
    resource = DescribeConfigsResource(
        resource_type=resource_type, resource_name=name, configuration_keys=keys
    )
    request = DescribeConfigsRequest(resources=[resource], **fields)
    (result,) = FakeCluster().send(describe_configs, request, 4).results
    assert (result.resource_type, result.resource_name) == (resource_type, name)
    return result


def test_a_topic_s_configs_tell_where_their_values_come_from():
    configs = {
        config.name: config for config in ask(TOPIC, "payments", include_synonyms=True).configs
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


def test_synonyms_without_a_value_are_left_out():
    configs = {
        config.name: config for config in ask(TOPIC, "payments", include_synonyms=True).configs
    }
    told = {name: [synonym.name for synonym in configs[name].synonyms] for name in configs}
    # Of several synonyms the first has no default in Apache Kafka, and some have none at all.
    assert (told["segment.ms"], told["remote.storage.enable"]) == ([], [])
    assert told["cleanup.policy"] == ["log.cleanup.policy"]


def test_a_topic_without_a_value_of_its_own_has_the_broker_s():
    configs = {config.name: config for config in ask(TOPIC, "orders").configs}
    assert (configs["retention.ms"].value, configs["retention.ms"].config_source) == (
        "86400000",
        4,
    )


def test_every_config_has_a_type_and_documentation_on_request():
    with_words = ask(TOPIC, "orders", include_documentation=True).configs
    assert all(with_word.config_type > 0 and with_word.documentation for with_word in with_words)
    without = ask(TOPIC, "orders").configs
    assert not any(one.documentation or one.synonyms for one in without)


@pytest.mark.parametrize("keys", [None, []])
def test_no_keys_ask_for_all(keys):
    assert len(ask(TOPIC, "orders", keys).configs) > 20


def test_keys_choose_and_unknown_ones_are_left_out():
    chosen = ask(TOPIC, "orders", ["retention.ms", "nonsense", "cleanup.policy"]).configs
    assert [one.name for one in chosen] == ["cleanup.policy", "retention.ms"]


def test_a_broker_tells_its_settings_and_the_cluster_s():
    configs = {config.name: config for config in ask(BROKER, "1", include_synonyms=True).configs}
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


def test_nothing_is_set_for_all_brokers_at_run_time():
    result = ask(BROKER, "")
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
def test_missing_resources_have_no_configs(resource_type, name, error_code):
    result = ask(resource_type, name)
    assert (result.error_code, result.configs) == (error_code, ())
    assert result.error_message


def test_a_resource_is_described_once_however_often_it_is_named_and_other_names_are_others():
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
    told = [(result.resource_name, len(result.configs)) for result in response.results]
    of_topic = len(TOPIC_CONFIGS)
    assert told == [("orders", of_topic), ("payments", of_topic), ("orders", 1), ("nowhere", 0)]


def test_topics_with_the_same_configs_share_their_description_and_others_have_their_own():
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
    *alike, payments = [result.configs for result in response.results]
    assert all(one is alike[0] for one in alike)
    assert payments != alike[0]

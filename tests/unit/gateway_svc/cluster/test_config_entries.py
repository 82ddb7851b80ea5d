from common.config.settings import declared
from common.config.topic_config_table import TOPIC_CONFIGS
from common.config.values import ConfigType
from gateway_svc.cluster.config_entries import ConfigSource, broker_entries, topic_entries
from gateway_svc.config import GatewaySettings


def test_a_topic_has_every_config_of_the_table_in_order():
    names = [one.name for one in topic_entries({}, {})]
    assert names == sorted(TOPIC_CONFIGS)


def test_a_topic_s_own_value_wins_over_the_broker_s_and_that_over_the_default():
    def cleanup(configs, broker_configs):
        entries = {one.name: one for one in topic_entries(configs, broker_configs)}
        return entries["cleanup.policy"].value, entries["cleanup.policy"].source

    assert cleanup({}, {}) == ("delete", ConfigSource.DEFAULT)
    broker = {"log.cleanup.policy": "compact"}
    assert cleanup({}, broker) == ("compact", ConfigSource.STATIC_BROKER)
    assert cleanup({"cleanup.policy": ""}, broker) == ("", ConfigSource.TOPIC)


def test_the_first_synonym_tells_value_and_source():
    configs = {"retention.ms": "1", "max.message.bytes": "7"}
    for one in topic_entries(configs, {"log.retention.minutes": "9", "message.max.bytes": "8"}):
        told = [(each.source, each.value) for each in one.synonyms]
        assert (one.source, one.value) == (told or [(ConfigSource.DEFAULT, one.value)])[0]


def test_a_broker_has_its_settings_the_cluster_s_and_the_defaults_of_topics():
    names = [one.name for one in broker_entries(GatewaySettings(), {"num.partitions": "3"})]
    assert names == sorted(set(names))
    assert {one.name for one in declared(GatewaySettings)} <= set(names)
    assert {"num.partitions", "message.max.bytes", "log.retention.hours"} <= set(names)


def test_a_setting_that_is_not_set_and_has_no_default_has_no_value():
    (rack,) = [one for one in broker_entries(GatewaySettings(), {}) if one.name == "broker.rack"]
    assert (rack.value, rack.synonyms, rack.source) == (None, [], ConfigSource.DEFAULT)


def test_types_are_those_of_the_settings():
    types = {one.name: one.type for one in broker_entries(GatewaySettings(), {})}
    assert types["node.id"] is ConfigType.INT
    assert types["listeners"] is ConfigType.LIST
    assert types["auto.create.topics.enable"] is ConfigType.BOOLEAN
    assert types["metadata.address"] is ConfigType.STRING
    assert types["connections.max.idle.ms"] is ConfigType.LONG


def test_a_broker_has_what_tools_of_apache_kafka_ask_for():
    settings = GatewaySettings(node_id=7, offsets_retention_minutes=60)
    values = {one.name: one.value for one in broker_entries(settings, {})}
    assert {
        "broker.id": "7",
        "log.dirs": "",
        "offsets.retention.minutes": "60",
        "offsets.topic.replication.factor": "1",
        "delete.topic.enable": "true",
    }.items() <= values.items()

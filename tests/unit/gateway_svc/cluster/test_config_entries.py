from common.config.settings import declared
from common.config.topic_config_table import TOPIC_CONFIGS
from common.config.values import ConfigType
from gateway_svc.cluster.config_entries import ConfigSource, broker_entries, topic_entries
from gateway_svc.config import GatewaySettings


def test_topic_has_every_config_of_the_table_in_order():
    names = [entry.name for entry in topic_entries({}, {})]
    assert names == sorted(TOPIC_CONFIGS)


def test_value_of_the_topic_precedes_the_brokers_and_the_default():
    def cleanup(configs, broker_configs):
        entries = {entry.name: entry for entry in topic_entries(configs, broker_configs)}
        return entries["cleanup.policy"].value, entries["cleanup.policy"].source

    assert cleanup({}, {}) == ("delete", ConfigSource.DEFAULT)
    broker = {"log.cleanup.policy": "compact"}
    assert cleanup({}, broker) == ("compact", ConfigSource.STATIC_BROKER)
    assert cleanup({"cleanup.policy": ""}, broker) == ("", ConfigSource.TOPIC)


def test_first_synonym_has_the_value_and_the_source():
    configs = {"retention.ms": "1", "max.message.bytes": "7"}
    for entry in topic_entries(configs, {"log.retention.minutes": "9", "message.max.bytes": "8"}):
        values = [(synonym.source, synonym.value) for synonym in entry.synonyms]
        assert (entry.source, entry.value) == (values or [(ConfigSource.DEFAULT, entry.value)])[0]


def test_broker_entries_list_settings_cluster_configs_and_topic_defaults():
    names = [entry.name for entry in broker_entries(GatewaySettings(), {"num.partitions": "3"})]
    assert names == sorted(set(names))
    assert {entry.name for entry in declared(GatewaySettings)} <= set(names)
    assert {"num.partitions", "message.max.bytes", "log.retention.hours"} <= set(names)


def test_setting_that_is_not_set_and_has_no_default_has_no_value():
    (rack,) = [
        entry for entry in broker_entries(GatewaySettings(), {}) if entry.name == "broker.rack"
    ]
    assert (rack.value, rack.synonyms, rack.source) == (None, [], ConfigSource.DEFAULT)


def test_entries_have_the_types_of_their_settings():
    types = {entry.name: entry.type for entry in broker_entries(GatewaySettings(), {})}
    assert types["node.id"] is ConfigType.INT
    assert types["listeners"] is ConfigType.LIST
    assert types["auto.create.topics.enable"] is ConfigType.BOOLEAN
    assert types["metadata.address"] is ConfigType.STRING
    assert types["connections.max.idle.ms"] is ConfigType.LONG


def test_broker_entries_list_configs_that_kafka_tools_read():
    settings = GatewaySettings(node_id=7, offsets_retention_minutes=60)
    values = {entry.name: entry.value for entry in broker_entries(settings, {})}
    assert {
        "broker.id": "7",
        "log.dirs": "",
        "offsets.retention.minutes": "60",
        "offsets.topic.replication.factor": "1",
        "delete.topic.enable": "true",
    }.items() <= values.items()

"""Every advertised API in every advertised version, with an independent codec.

kio encodes and decodes the versions of Apache Kafka 4. Older versions are in
`test_oldest_versions.py`, group APIs in `test_every_group_version.py`. kio must decode each
response to its last byte, and the fields must have the right values.
"""

import pytest

from tests.support.clients.raw_client import (
    API_VERSIONS,
    CREATE_TOPICS,
    DELETE_TOPICS,
    DESCRIBE_CLUSTER,
    DESCRIBE_CONFIGS,
    EARLIEST,
    FETCH,
    INIT_PRODUCER_ID,
    LIST_OFFSETS,
    METADATA,
    OFFSET_FOR_LEADER_EPOCH,
    PRODUCE,
)
from tests.support.wire.advertised import ADVERTISED
from tests.support.wire.api_exchanges import Exchange, ExchangeContext, versions_of
from tests.support.wire.batches import record_batch
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

BATCH = record_batch(numbered(3))
TOPIC_RESOURCE = 2  # ConfigResource.Type.TOPIC


def produce_values(context):
    partition = {"index": 0, "records": BATCH}
    topic = {"name": context.topic, "topic_id": context.topic_id, "partition_data": [partition]}
    return {"transactional_id": None, "acks": -1, "timeout": 30_000, "topic_data": [topic]}


def produce_check(response, context):
    (partition,) = response.responses[0].partition_responses
    assert (partition.index, partition.error_code, partition.base_offset) == (0, 0, 3)
    assert partition.log_append_time is None
    if context.version >= 5:
        assert partition.log_start_offset == 0
    assert context.raw.fetch(context.topic, 3).offsets == [3, 4, 5]


def fetch_values(context):
    partition = {"partition": 0, "fetch_offset": 1, "partition_max_bytes": 1 << 20}
    return {
        "replica_id": -1,
        "max_wait": 0,
        "min_bytes": 1,
        "max_bytes": 1 << 20,
        "isolation_level": 0,
        "topics": [
            {"topic": context.topic, "topic_id": context.topic_id, "partitions": [partition]}
        ],
        "forgotten_topics_data": [],
    }


def fetch_check(response, context):
    (partition,) = response.responses[0].partitions
    assert (partition.partition_index, partition.error_code) == (0, 0)
    assert (partition.high_watermark, partition.last_stable_offset) == (3, 3)
    # The broker writes base offset and leader epoch; all other bytes are as they were sent.
    assert partition.records[16:] == BATCH[16:]
    if context.version >= 5:
        assert partition.log_start_offset == 0
    if context.version >= 7:
        assert (response.error_code, response.session_id) == (0, 0)
    if context.version >= 11:
        assert partition.preferred_read_replica == -1


def list_offsets_values(context):
    partition = {"partition_index": 0, "timestamp": EARLIEST}
    topic = {"name": context.topic, "partitions": [partition]}
    return {"replica_id": -1, "isolation_level": 0, "topics": [topic], "timeout": 30_000}


def list_offsets_check(response, context):
    (partition,) = response.topics[0].partitions
    assert (partition.error_code, partition.offset, partition.timestamp) == (0, 0, -1)


def metadata_values(context):
    return {
        "topics": [{"topic_id": None, "name": context.topic}],
        "allow_auto_topic_creation": False,
        "include_cluster_authorized_operations": False,
        "include_topic_authorized_operations": False,
    }


def metadata_check(response, context):
    (topic,) = response.topics
    assert (topic.name, topic.error_code) == (context.topic, 0)
    (partition,) = topic.partitions
    (broker,) = response.brokers
    assert partition.leader_id == broker.node_id
    assert partition.replica_nodes == partition.isr_nodes == (broker.node_id,)
    if context.version >= 10:
        assert topic.topic_id == context.topic_id


def api_versions_values(context):
    return {"client_software_name": "ringlog-tests", "client_software_version": "1.0"}


def api_versions_check(response, context):
    assert response.error_code == 0
    listed = {api.api_key: (api.min_version, api.max_version) for api in response.api_keys}
    assert listed == ADVERTISED


def create_topics_values(context):
    topic = {
        "name": context.topic + "-more",
        "num_partitions": 2,
        "replication_factor": 1,
        "assignments": [],
        "configs": [{"name": "retention.ms", "value": "1000000"}],
    }
    return {"topics": [topic], "timeout": 30_000, "validate_only": False}


def create_topics_check(response, context):
    (created,) = response.topics
    assert (created.name, created.error_code, created.error_message) == (
        context.topic + "-more",
        0,
        None,
    )
    if context.version >= 5:
        assert (created.num_partitions, created.replication_factor) == (2, 1)
        assert ("retention.ms", "1000000") in [
            (config.name, config.value) for config in created.configs
        ]
    (listed,) = context.raw.metadata(context.topic + "-more").topics
    assert len(listed.partitions) == 2
    if context.version >= 7:
        assert created.topic_id == listed.topic_id


def delete_topics_values(context):
    topics = [{"name": context.topic, "topic_id": None}]
    return {"topic_names": [context.topic], "topics": topics, "timeout": 30_000}


def delete_topics_check(response, context):
    (deleted,) = response.responses
    assert (deleted.name, deleted.error_code) == (context.topic, 0)
    assert context.raw.metadata(context.topic).topics[0].error_code == 3


def init_producer_id_values(context):
    return {
        "transactional_id": None,
        "transaction_timeout": 60_000,
        "producer_id": -1,
        "producer_epoch": -1,
    }


def init_producer_id_check(response, context):
    assert (response.error_code, response.producer_epoch) == (0, 0)
    assert response.producer_id >= 0


def leader_epoch_values(context):
    partition = {"partition": 0, "current_leader_epoch": -1, "leader_epoch": 1_000_000}
    return {"replica_id": -1, "topics": [{"topic": context.topic, "partitions": [partition]}]}


def leader_epoch_check(response, context):
    (partition,) = response.topics[0].partitions
    assert (partition.partition, partition.error_code) == (0, 0)
    # A future epoch has no end offset (KIP-101).
    assert (partition.leader_epoch, partition.end_offset) == (-1, -1)


def describe_configs_values(context):
    resource = {
        "resource_type": TOPIC_RESOURCE,
        "resource_name": context.topic,
        "configuration_keys": ["cleanup.policy"],
    }
    return {"resources": [resource], "include_synonyms": True, "include_documentation": True}


def describe_configs_check(response, context):
    (result,) = response.results
    assert (result.error_code, result.resource_name) == (0, context.topic)
    (config,) = result.configs
    assert (config.name, config.value, config.config_source) == ("cleanup.policy", "delete", 5)
    assert [synonym.name for synonym in config.synonyms] == ["log.cleanup.policy"]
    if context.version >= 3:
        assert config.config_type == 7  # LIST
        assert config.documentation


def describe_cluster_values(context):
    return {
        "include_cluster_authorized_operations": False,
        "endpoint_type": 1,
        "include_fenced_brokers": False,
    }


def describe_cluster_check(response, context):
    (broker,) = response.brokers
    assert (response.error_code, response.controller_id) == (0, broker.broker_id)
    assert response.cluster_id


EXCHANGES = {
    PRODUCE: Exchange(produce_values, produce_check),
    FETCH: Exchange(fetch_values, fetch_check),
    LIST_OFFSETS: Exchange(list_offsets_values, list_offsets_check),
    METADATA: Exchange(metadata_values, metadata_check),
    API_VERSIONS: Exchange(api_versions_values, api_versions_check),
    CREATE_TOPICS: Exchange(create_topics_values, create_topics_check),
    DELETE_TOPICS: Exchange(delete_topics_values, delete_topics_check),
    INIT_PRODUCER_ID: Exchange(init_producer_id_values, init_producer_id_check),
    OFFSET_FOR_LEADER_EPOCH: Exchange(leader_epoch_values, leader_epoch_check),
    DESCRIBE_CONFIGS: Exchange(describe_configs_values, describe_configs_check),
    DESCRIBE_CLUSTER: Exchange(describe_cluster_values, describe_cluster_check),
}


@pytest.mark.parametrize(("key", "version"), versions_of(EXCHANGES))
def test_api_answers_in_every_version(key, version, raw, topic):
    assert raw.produce(topic, BATCH).base_offset == 0
    context = ExchangeContext(raw, topic, raw.topic_id(topic), version)
    exchange = EXCHANGES[key]
    exchange.check(ask(raw, key, version, exchange.values(context)), context)

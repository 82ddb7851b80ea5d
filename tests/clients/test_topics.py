"""Unknown topics and partitions, and automatic creation of topics."""

import uuid

import pytest

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, OFFSET_OUT_OF_RANGE = 3, 17, 1


@pytest.fixture
def name():
    return f"unknown-{uuid.uuid4().hex[:12]}"


def test_producing_to_an_unknown_topic_is_refused(raw, name):
    assert raw.produce(name, record_batch(numbered(1))).error_code == UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("partition", [1, -1, 2**31 - 1])
def test_producing_to_an_unknown_partition_is_refused(raw, topic, partition):
    result = raw.produce(topic, record_batch(numbered(1)), partition=partition)
    assert result.error_code == UNKNOWN_TOPIC_OR_PARTITION


def test_fetching_an_unknown_topic_or_partition_is_refused(raw, topic, name):
    assert raw.fetch(name, 0).error_code == UNKNOWN_TOPIC_OR_PARTITION
    assert raw.fetch(topic, 0, partition=1).error_code == UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("offset", [11, 2**40, -1, -(2**63)])
def test_an_offset_outside_the_log_is_refused_at_once(raw, topic, offset):
    raw.produce(topic, record_batch(numbered(10)))
    fetched = raw.fetch(topic, offset, max_wait_ms=600_000)
    assert fetched.error_code == OFFSET_OUT_OF_RANGE


def test_every_client_raises_an_error_for_an_unknown_partition(client, broker, topic):
    with pytest.raises(Exception, match=r"(?i)(unknown|unrecognized).*partition"):
        client.produce(broker.address, topic, numbered(1), partition=7)


def test_metadata_creates_a_topic_that_can_be_used_at_once(raw, name):
    metadata = raw.metadata(name, create=True)
    assert [int(topic.error_code) for topic in metadata.topics] == [0]
    assert raw.produce(name, record_batch(numbered(1))) == (0, 0)


def test_metadata_creates_no_topic_unless_requested(raw, name):
    metadata = raw.metadata(name, create=False)
    assert [int(topic.error_code) for topic in metadata.topics] == [UNKNOWN_TOPIC_OR_PARTITION]
    assert name not in {topic.name for topic in raw.metadata().topics}


@pytest.mark.parametrize("invalid_name", ["", ".", "..", "a topic", "x" * 250, "no/slash"])
def test_an_invalid_name_is_refused(raw, invalid_name):
    (found,) = raw.metadata(invalid_name, create=True).topics
    assert int(found.error_code) == INVALID_TOPIC_EXCEPTION


def test_a_producing_client_creates_its_topic(client, broker, name):
    assert client.produce(broker.address, name, numbered(3)) == [0, 1, 2]


def test_every_leader_and_the_controller_are_listed_brokers(raw, topic):
    metadata = raw.metadata(topic)
    brokers = {broker.node_id for broker in metadata.brokers}
    assert metadata.controller_id in brokers
    assert {partition.leader_id for partition in metadata.topics[0].partitions} <= brokers
    assert metadata.cluster_id


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_auto_creation_can_be_switched_off(deployment, tmp_path, name):
    settings = {"auto_create_topics_enable": "false"}
    with (
        DEPLOYMENTS[deployment](tmp_path, **settings) as broker,
        RawClient(broker.address) as raw,
    ):
        (found,) = raw.metadata(name, create=True).topics
        assert int(found.error_code) == UNKNOWN_TOPIC_OR_PARTITION
        assert not raw.metadata().topics


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_num_partitions_applies_to_automatic_and_default_creation(deployment, tmp_path, name):
    with (
        DEPLOYMENTS[deployment](tmp_path, num_partitions="7") as broker,
        RawClient(broker.address) as raw,
    ):
        (found,) = raw.metadata(name, create=True).topics
        assert len(found.partitions) == 7
        assert len(raw.metadata(raw.create_topic(partitions=-1)).topics[0].partitions) == 7

"""Repeated SIGKILL under load: acknowledged records and metadata are kept.

Each case kills one process (or all of them) several times while producers write, at a moment
chosen by the number of acknowledgements since the last kill. Then all records are read.
"""

import random

import pytest

from tests.support.clients.raw_client import DESCRIBE_CONFIGS, RawClient
from tests.support.clients.steady_producer import SteadyProducer
from tests.support.processes.deployments import (
    STANDALONE,
    THREE_PROCESSES,
    standalone,
    three_processes,
)
from tests.support.waiting import eventually
from tests.support.wire.kio_client import ask

pytestmark = pytest.mark.slow

SEED = 1_848
ROUNDS = 3
CASES = [
    pytest.param(standalone, STANDALONE, id="standalone"),
    *[pytest.param(three_processes, (name,), id=name) for name in THREE_PROCESSES],
    pytest.param(three_processes, THREE_PROCESSES, id="all three"),
]


@pytest.fixture
def broker(request, tmp_path):
    with request.param(tmp_path) as deployment:
        yield deployment


def create_producers(broker, raw, topic, acks):
    """Returns producers with a partition each, of which half are idempotent."""
    return [
        SteadyProducer(
            lambda: broker.address,
            topic,
            partition,
            acks=acks,
            identity=raw.init_producer_id() if partition % 2 else None,
        )
        for partition in range(4)
    ]


def count_acknowledged(producers):
    return [len(producer.acknowledged) for producer in producers]


@pytest.mark.parametrize("acks", [-1, 1], ids=["acks=all", "acks=1"])
@pytest.mark.parametrize(("broker", "victims"), CASES, indirect=["broker"])
def test_acknowledged_records_survive_a_kill_of(broker, victims, acks):
    rng = random.Random(SEED)
    with RawClient(broker.address) as raw:
        topic = raw.create_topic(partitions=4)
        producers = create_producers(broker, raw, topic, acks)
    for producer in producers:
        producer.start()
    try:
        for _ in range(ROUNDS):
            before, more = count_acknowledged(producers), rng.randrange(5, 60)
            eventually(
                lambda before=before, more=more: all(
                    now - then >= more
                    for now, then in zip(count_acknowledged(producers), before, strict=True)
                ),
                within_s=60,
                what="acknowledgements after a restart",
            )
            broker.restart(*victims)
    finally:
        for producer in producers:
            producer.stop()
    with RawClient(broker.address) as reader:
        for producer in producers:
            producer.check(reader)
    assert min(count_acknowledged(producers)) > ROUNDS * 5


@pytest.mark.parametrize(
    ("broker", "victims"),
    [
        pytest.param(standalone, STANDALONE, id="standalone"),
        pytest.param(three_processes, THREE_PROCESSES, id="three_processes"),
    ],
    indirect=["broker"],
)
def test_acknowledged_metadata_survives_a_kill(broker, victims):
    """Covers topics, their ids and configs, the cluster id, and producer ids, which are unique."""
    with RawClient(broker.address) as raw:
        kept = raw.create_topic(partitions=3, configs={"retention.ms": "7654321"})
        deleted = raw.create_topic()
        assert raw.delete_topic(deleted) == 0
        before = raw.metadata(kept)
        ids = {raw.init_producer_id().producer_id for _ in range(10)}
    broker.restart(*victims)
    with RawClient(broker.address) as raw:
        after = raw.metadata(kept)
        assert (after.cluster_id, after.topics[0].topic_id) == (
            before.cluster_id,
            before.topics[0].topic_id,
        )
        assert len(after.topics[0].partitions) == 3
        assert raw.metadata(deleted).topics[0].error_code == 3
        assert describe_configs(raw, kept)["retention.ms"] == "7654321"
        assert ids.isdisjoint(raw.init_producer_id().producer_id for _ in range(10))


def describe_configs(raw, topic):
    resource = {"resource_type": 2, "resource_name": topic, "configuration_keys": None}
    (result,) = ask(raw, DESCRIBE_CONFIGS, 1, {"resources": [resource]}).results
    return {config.name: config.value for config in result.configs}

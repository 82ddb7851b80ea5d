"""CreateTopics, DeleteTopics and Metadata."""

from tests.differential.comparison import NO_SUCH_ID
from tests.differential.requests import create_topics, delete_topics, metadata, topic
from tests.differential.sides import versions_of
from tests.support.clients.raw_client import CREATE_TOPICS, DELETE_TOPICS, METADATA


def test_topics_are_created_as_in_kafka(sides):
    for version in versions_of(CREATE_TOPICS):
        name = f"created-{version}"
        for request in (
            create_topics(topic(f"{name}-plain", 2)),
            create_topics(topic(f"{name}-plain", 2)),
            create_topics(topic(f"{name}-checked", 3), validate_only=True),
            create_topics(topic(f"{name}-kept", configs={"cleanup_policy": "compact"})),
            create_topics(topic(f"{name}-a"), topic(f"{name}-b", 4), topic(f"{name}-a/b")),
        ):
            sides.compare(CREATE_TOPICS, version, request)


def test_invalid_topics_are_refused_as_in_kafka(sides):
    sides.new_topic("is-there")
    for version in versions_of(CREATE_TOPICS):
        for invalid in (
            topic(""),
            topic("."),
            topic(".."),
            topic("x" * 249),
            topic("x" * 250),
            topic("no/slash"),
            topic("is-there"),
            topic("__consumer_offsets"),
            topic("none", 0),
            topic("fewer-than-none", -2),
            topic("default", -1),
            topic("two-copies", replication_factor=2),
            topic("no-copies", replication_factor=0),
            topic("default-copies", replication_factor=-1),
            topic("unknown-config", configs={"no_such_config": "1"}),
            topic("wrong-config", configs={"retention_ms": "soon"}),
            topic("low-config", configs={"max_message_bytes": "-7"}),
            topic("null-config", configs={"retention_ms": None}),
            topic("wrong-policy", configs={"cleanup_policy": "burn"}),
            topic("assigned", -1, replication_factor=-1, assignments=[assign(0, 1)]),
            topic("assigned-and-counted", 1, assignments=[assign(0, 1)]),
            topic("assigned-to-unknown", -1, replication_factor=-1, assignments=[assign(0, 9)]),
            topic("assigned-twice", -1, replication_factor=-1, assignments=[assign(0, 1, 1)]),
            topic("gap", -1, replication_factor=-1, assignments=[assign(1, 1)]),
            topic("empty", -1, replication_factor=-1, assignments=[assign(0)]),
        ):
            sides.compare(CREATE_TOPICS, version, create_topics(invalid, validate_only=True))
        twice = create_topics(topic("twice"), topic("once"), topic("twice"), validate_only=True)
        sides.compare(CREATE_TOPICS, version, twice)
        same = [{"name": "retention.ms", "value": text} for text in ("1", "2")]
        same_config = {**topic("same-config-twice"), "configs": same}
        sides.compare(CREATE_TOPICS, version, create_topics(same_config, validate_only=True))


def assign(partition, *brokers):
    return {"partition_index": partition, "broker_ids": list(brokers)}


def test_topics_are_deleted_as_in_kafka(sides):
    for version in versions_of(DELETE_TOPICS):
        names = [f"deleted-{version}-{number}" for number in range(3)]
        ids = [sides.new_topic(name) for name in names]
        sides.compare(DELETE_TOPICS, version, delete_topics(names[0], "no-such-topic", ""))
        sides.compare(DELETE_TOPICS, version, delete_topics(names[0]))
        sides.compare(DELETE_TOPICS, version, delete_topics(names[1], names[1]))
        if version >= 6:
            sides.compare(DELETE_TOPICS, version, delete_topics(ids=[ids[2], NO_SUCH_ID]))
            sides.compare(DELETE_TOPICS, version, delete_topics(ids=[ids[2], ids[2]]))
            both = {"name": names[2], "topic_id": ids[2]}
            sides.compare(DELETE_TOPICS, version, {"topics": [both], "timeout": 30_000})
            neither = {"name": None, "topic_id": None}
            sides.compare(DELETE_TOPICS, version, {"topics": [neither], "timeout": 30_000})


def test_metadata_is_equal(sides):
    topic_id = sides.new_topic("shown", 3)
    for version in versions_of(METADATA):
        for request in (
            metadata("shown"),
            metadata("shown", f"unknown-{version}", "no/slash", "shown"),
            metadata("shown", include_topic_authorized_operations=False),
            metadata("shown", include_cluster_authorized_operations=False),
            metadata(f"auto-created-{version}", create=True),
        ):
            sides.compare(METADATA, version, request)
        if version >= 1:
            sides.compare(METADATA, version, metadata())
        if version >= 10:
            sides.compare(METADATA, version, metadata(ids=[topic_id]))
            sides.compare(METADATA, version, metadata(ids=[topic_id, NO_SUCH_ID]))

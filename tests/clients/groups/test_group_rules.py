"""Rules of groups that the test suites of clients do not cover, by requests over TCP."""

import uuid

import pytest

from common.cluster.group_partitions import group_partition
from tests.support.wire.kio_client import ask, message, read_response, request_frame

OFFSET_COMMIT, OFFSET_FETCH, JOIN, HEARTBEAT, SYNC, OFFSET_DELETE, CONSUMER_HEARTBEAT = (
    *(8, 9, 11, 12, 14, 47),
    68,
)
NONE, UNKNOWN_SERVER_ERROR, UNKNOWN_TOPIC_OR_PARTITION = 0, -1, 3
#: offsets.topic.num.partitions
PARTITIONS = 50
RECORD_BYTES_MAX = 16 << 20


@pytest.fixture
def group():
    return uuid.uuid4().hex


def find_neighbour(group):
    """Returns another group in the same partition of `__consumer_offsets`."""
    partition = group_partition(group, PARTITIONS)
    names = (f"neighbour-{number}-{group}" for number in range(10_000))
    return next(name for name in names if group_partition(name, PARTITIONS) == partition)


def join(raw, group, *, version=5, client_id="c", metadata=b"", **fields):
    values = {
        "group_id": group,
        "session_timeout": 30_000,
        "rebalance_timeout": 60_000,
        "member_id": "",
        "group_instance_id": None,
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": metadata}],
        **fields,
    }
    raw.send_frame(request_frame(message(JOIN, version, values), 7, client_id=client_id))
    return read_response(raw.read_frame(), JOIN, version)[1]


def join_and_sync(raw, group):
    """Creates a Stable group of one member; returns the fields that identify it in requests."""
    joined = join(raw, group, version=3)
    identity = {
        "group_id": group,
        "generation_id": joined.generation_id,
        "member_id": joined.member_id,
        "group_instance_id": None,
    }
    own_assignment = {"member_id": joined.member_id, "assignment": b"all"}
    assert ask(raw, SYNC, 3, {**identity, "assignments": [own_assignment]}).error_code == NONE
    return identity


def commit(raw, group, topic, offset):
    partition = {
        "partition_index": 0,
        "committed_offset": offset,
        "committed_leader_epoch": -1,
        "committed_metadata": None,
    }
    values = {
        "group_id": group,
        "generation_id_or_member_epoch": -1,
        "member_id": "",
        "group_instance_id": None,
        "topics": [{"name": topic, "partitions": [partition]}],
    }
    (response,) = ask(raw, OFFSET_COMMIT, 8, values).topics
    return response.partitions[0].error_code


def fetch_offset(raw, group, topic):
    values = {"group_id": group, "topics": [{"name": topic, "partition_indexes": [0]}]}
    (response,) = ask(raw, OFFSET_FETCH, 7, {**values, "require_stable": False}).topics
    return response.partitions[0].committed_offset


def test_a_group_whose_record_is_too_large_is_refused_without_effect_on_others(
    broker, raw, topic, group
):
    neighbour = find_neighbour(group)
    member = join_and_sync(raw, neighbour)
    assert commit(raw, group, topic, 7) == NONE
    for _ in range(3):
        refused = join(raw, group, group_instance_id="i", metadata=bytes(RECORD_BYTES_MAX))
        assert refused.error_code == UNKNOWN_SERVER_ERROR
        assert ask(raw, HEARTBEAT, 3, member).error_code == NONE
        assert fetch_offset(raw, group, topic) == 7
    # Ids of every length fit into a record.
    joined = join(raw, group, group_instance_id="i" * 32_767, client_id="c" * 32_767)
    assert (joined.error_code, joined.generation_id) == (NONE, 1)
    for process in broker.processes.values():
        assert not process.lines_with("reloads the groups of")


def test_a_recreated_topic_has_no_committed_offset(raw, topic, group):
    assert commit(raw, group, topic, 3) == NONE
    assert fetch_offset(raw, group, topic) == 3
    assert raw.delete_topic(topic) == NONE
    raw.create_topic(name=topic)
    assert fetch_offset(raw, group, topic) == -1


def test_offsets_of_partitions_that_do_not_exist_are_not_deleted(raw, topic, group):
    assert commit(raw, group, topic, 3) == NONE
    partitions = {topic: [0, 99], "unknown": [0]}
    topics = [
        {"name": name, "partitions": [{"partition_index": index} for index in indexes]}
        for name, indexes in partitions.items()
    ]
    response = ask(raw, OFFSET_DELETE, 0, {"group_id": group, "topics": topics})
    codes = {
        (deleted.name, partition.partition_index): partition.error_code
        for deleted in response.topics
        for partition in deleted.partitions
    }
    unknown = UNKNOWN_TOPIC_OR_PARTITION
    assert codes == {(topic, 0): NONE, (topic, 99): unknown, ("unknown", 0): unknown}


def test_a_member_of_a_consumer_group_may_rejoin(raw, topic, group):
    def send_join():
        values = {
            "group_id": group,
            "member_id": "m",
            "member_epoch": 0,
            "instance_id": None,
            "rack_id": None,
            "rebalance_timeout": 30_000,
            "subscribed_topic_names": [topic],
            "subscribed_topic_regex": None,
            "server_assignor": None,
            "topic_partitions": [],
        }
        response = ask(raw, CONSUMER_HEARTBEAT, 1, values)
        assert response.error_code == NONE
        (assigned,) = response.assignment.topic_partitions
        return response.member_epoch, tuple(assigned.partitions)

    assert send_join() == send_join() == (1, (0,))

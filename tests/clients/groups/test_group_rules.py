"""Rules of groups that clients' own suites do not try, by requests over TCP."""

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


def neighbour_of(group):
    """A group of the same partition of `__consumer_offsets`."""
    wanted = group_partition(group, PARTITIONS)
    names = (f"neighbour-{number}-{group}" for number in range(10_000))
    return next(name for name in names if group_partition(name, PARTITIONS) == wanted)


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


def settled(raw, group):
    """The only member of a Stable group, as its later requests name it."""
    joined = join(raw, group, version=3)
    identity = {
        "group_id": group,
        "generation_id": joined.generation_id,
        "member_id": joined.member_id,
        "group_instance_id": None,
    }
    share = {"member_id": joined.member_id, "assignment": b"all"}
    assert ask(raw, SYNC, 3, {**identity, "assignments": [share]}).error_code == NONE
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
    (answered,) = ask(raw, OFFSET_COMMIT, 8, values).topics
    return answered.partitions[0].error_code


def committed(raw, group, topic):
    values = {"group_id": group, "topics": [{"name": topic, "partition_indexes": [0]}]}
    (found,) = ask(raw, OFFSET_FETCH, 7, {**values, "require_stable": False}).topics
    return found.partitions[0].committed_offset


def test_a_group_that_cannot_be_written_is_refused_alone(broker, raw, topic, group):
    neighbour = neighbour_of(group)
    member = settled(raw, neighbour)
    assert commit(raw, group, topic, 7) == NONE
    for _ in range(3):
        refused = join(raw, group, group_instance_id="i", metadata=bytes(RECORD_BYTES_MAX))
        assert refused.error_code == UNKNOWN_SERVER_ERROR
        assert ask(raw, HEARTBEAT, 3, member).error_code == NONE
        assert committed(raw, group, topic) == 7
    # Ids have room, however long they are.
    joined = join(raw, group, group_instance_id="i" * 32_767, client_id="c" * 32_767)
    assert (joined.error_code, joined.generation_id) == (NONE, 1)
    for process in broker.processes.values():
        assert not process.lines_with("reloads the groups of")


def test_a_topic_made_again_has_no_committed_offset(raw, topic, group):
    assert commit(raw, group, topic, 3) == NONE
    assert committed(raw, group, topic) == 3
    assert raw.delete_topic(topic) == NONE
    raw.create_topic(name=topic)
    assert committed(raw, group, topic) == -1


def test_offsets_of_partitions_that_do_not_exist_are_not_deleted(raw, topic, group):
    assert commit(raw, group, topic, 3) == NONE
    asked = {topic: [0, 99], "nowhere": [0]}
    topics = [
        {"name": name, "partitions": [{"partition_index": one} for one in indexes]}
        for name, indexes in asked.items()
    ]
    answer = ask(raw, OFFSET_DELETE, 0, {"group_id": group, "topics": topics})
    codes = {
        (each.name, partition.partition_index): partition.error_code
        for each in answer.topics
        for partition in each.partitions
    }
    unknown = UNKNOWN_TOPIC_OR_PARTITION
    assert codes == {(topic, 0): NONE, (topic, 99): unknown, ("nowhere", 0): unknown}


def test_a_member_of_a_consumer_group_may_join_again(raw, topic, group):
    def beat():
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
        taken = ask(raw, CONSUMER_HEARTBEAT, 1, values)
        assert taken.error_code == NONE
        (assigned,) = taken.assignment.topic_partitions
        return taken.member_epoch, tuple(assigned.partitions)

    assert beat() == beat() == (1, (0,))

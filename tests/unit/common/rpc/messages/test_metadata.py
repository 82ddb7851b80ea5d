import pytest

from common.ports.metadata import (
    ClusterChange,
    Endpoint,
    Gateway,
    Member,
    NewTopic,
    Placement,
    PlacementChange,
    Topic,
    TopicRefusal,
    TopicResult,
)
from common.ports.moves import Move, MovePhase
from common.rpc.messages import metadata as messages
from protos.metadata.v1 import metadata_pb2 as pb

TOPIC = Topic(
    bytes(range(16)), "t", (Placement("p-0", 0), Placement("p-1", 7)), {"retention.ms": "1"}, True
)
GATEWAYS = (
    Gateway(3, (Endpoint("PLAINTEXT", "h", 9092), Endpoint("OUT", "::1", 65535)), rack="r"),
    Gateway(4, (Endpoint("PLAINTEXT", "h", 1),)),
)


def over_the_wire(message):
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            ClusterChange(
                revision=2**62,
                cluster_id="c",
                is_snapshot=True,
                topics=(TOPIC,),
                deleted_topics=(bytes(16),),
                placements=(PlacementChange(TOPIC.topic_id, 1, Placement("p-2", 8)),),
                gateways=GATEWAYS,
                removed_gateways=(1, 2),
                members=(Member("p-0", "h:1"), Member("p-1", "h:2", "volume", 2**40)),
                removed_members=("p-9",),
                moves=(Move(2**40, bytes(16), 3, "p-0", "p-1", 7, MovePhase.FENCE),),
                ended_moves=(1, 2**41),
                broker_configs={"a": "1"},
            ),
            id="all fields",
        ),
        pytest.param(ClusterChange(revision=0, cluster_id=""), id="no fields"),
        pytest.param(
            ClusterChange(revision=1, cluster_id="c", broker_configs={}), id="empty configs"
        ),
    ],
)
def test_a_change_arrives_as_it_was_sent(change):
    message = over_the_wire(messages.change_to_message(change, lease_ms=5))
    assert message.lease_ms == 5
    assert messages.change_from_message(message) == change


@pytest.mark.parametrize(
    "topic",
    [
        NewTopic("t"),
        NewTopic("t", 0, 0),
        NewTopic("t", 5, 2, configs={"a": "1", "b": None, "c": ""}),
        NewTopic("t", assignments={0: (1, 2), 1: ()}),
    ],
)
def test_a_new_topic_arrives_as_it_was_sent(topic):
    message = over_the_wire(messages.new_topic_to_message(topic))
    assert messages.new_topic_from_message(message) == topic


@pytest.mark.parametrize(
    "result",
    [
        TopicResult(),
        TopicResult("t", bytes(16), TOPIC),
        TopicResult("", b"", refusal=TopicRefusal.TIMED_OUT, message="timed out"),
        *(TopicResult("t", refusal=refusal, message="reason") for refusal in TopicRefusal),
    ],
)
def test_a_result_arrives_as_it_was_sent(result):
    message = over_the_wire(messages.result_to_message(result))
    assert messages.result_from_message(message) == result


def test_refusals_have_the_same_names_and_numbers_on_the_wire():
    proto_numbers = {
        name.removeprefix("TOPIC_REFUSAL_"): number for name, number in pb.TopicRefusal.items()
    }
    port_numbers = {refusal.name: refusal.value for refusal in TopicRefusal}
    assert proto_numbers == {"UNSPECIFIED": 0, **port_numbers}

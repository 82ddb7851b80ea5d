"""Groups whose coordinator assigns (KIP-848), as real clients use them."""

from confluent_kafka import ConsumerGroupState, ConsumerGroupType
from confluent_kafka.admin import AdminClient

from tests.clients.adapters.confluent import ConfluentClient
from tests.clients.adapters.group_members import ConfluentMember, CoordinatedMember
from tests.support.waiting import eventually
from tests.support.wire.records import numbered

PARTITIONS = 4
ALL = set(range(PARTITIONS))


def test_members_share_partitions_and_take_over_from_each_other(broker, raw):
    topic = raw.create_topic(partitions=PARTITIONS)
    group = f"readers of {topic}"
    with CoordinatedMember(broker.address, topic, group) as stays:
        eventually(lambda: stays.assigned == ALL, what="all partitions for the first")
        with CoordinatedMember(broker.address, f"^{topic}.*", group) as leaves:
            eventually(
                lambda: (
                    len(stays.assigned) == len(leaves.assigned) == PARTITIONS // 2
                    and not stays.assigned & leaves.assigned
                ),
                what="half of them for each",
            )
            admin = AdminClient({"bootstrap.servers": broker.address})
            described = admin.describe_consumer_groups([group])[group].result()
            assert described.type is ConsumerGroupType.CONSUMER
            assert described.state is ConsumerGroupState.STABLE
            assert sorted(
                one.partition
                for member in described.members
                for one in member.assignment.topic_partitions
            ) == sorted(ALL)
        eventually(lambda: stays.assigned == ALL, what="all again for who stayed")


def test_a_group_continues_after_its_coordinator_was_killed(broker, raw):
    topic = raw.create_topic(partitions=PARTITIONS)
    group = f"readers of {topic}"
    with CoordinatedMember(broker.address, topic, group) as one:
        eventually(lambda: one.assigned == ALL, what="all partitions")
        storage = next(name for name, it in broker.processes.items() if it is broker.storage)
        broker.restart(storage)
        ConfluentClient().produce(broker.address, topic, numbered(3), partition=1)
        eventually(lambda: len(one.read) == 3, what="the records since")
    assert one.assignments == 1


def test_an_empty_group_goes_from_one_protocol_to_the_other(broker, raw):
    topic = raw.create_topic()
    group = f"readers of {topic}"
    for number, member in enumerate((ConfluentMember, CoordinatedMember, ConfluentMember)):
        ConfluentClient().produce(broker.address, topic, numbered(2), partition=0)
        with member(broker.address, topic, group) as one:
            eventually(lambda one=one: len(one.read) == 2, what="the records since")
        assert one.read == [(0, 2 * number), (0, 2 * number + 1)]

"""Consumer groups of KIP-848, whose coordinator assigns partitions, with real clients."""

from confluent_kafka import ConsumerGroupState, ConsumerGroupType
from confluent_kafka.admin import AdminClient

from tests.clients.adapters.confluent import ConfluentClient
from tests.clients.adapters.group_members import ConfluentMember, CoordinatedMember
from tests.support.waiting import eventually
from tests.support.wire.records import numbered

PARTITIONS = 4
ALL = set(range(PARTITIONS))


def test_members_share_partitions_and_take_over_those_of_a_member_that_leaves(broker, raw):
    topic = raw.create_topic(partitions=PARTITIONS)
    group = f"readers of {topic}"
    with CoordinatedMember(broker.address, topic, group) as first:
        eventually(lambda: first.assigned == ALL, what="all partitions for the first")
        with CoordinatedMember(broker.address, f"^{topic}.*", group) as second:
            eventually(
                lambda: (
                    len(first.assigned) == len(second.assigned) == PARTITIONS // 2
                    and not first.assigned & second.assigned
                ),
                what="half of the partitions for each member",
            )
            admin = AdminClient({"bootstrap.servers": broker.address})
            group_description = admin.describe_consumer_groups([group])[group].result()
            assert group_description.type is ConsumerGroupType.CONSUMER
            assert group_description.state is ConsumerGroupState.STABLE
            assert sorted(
                target.partition
                for member in group_description.members
                for target in member.assignment.topic_partitions
            ) == sorted(ALL)
        eventually(lambda: first.assigned == ALL, what="all partitions for the first again")


def test_a_group_continues_after_its_coordinator_was_killed(broker, raw):
    topic = raw.create_topic(partitions=PARTITIONS)
    group = f"readers of {topic}"
    with CoordinatedMember(broker.address, topic, group) as member:
        eventually(lambda: member.assigned == ALL, what="all partitions")
        storage = next(
            name for name, process in broker.processes.items() if process is broker.storage
        )
        broker.restart(storage)
        ConfluentClient().produce(broker.address, topic, numbered(3), partition=1)
        eventually(lambda: len(member.read) == 3, what="the new records")
    assert member.assignments == 1


def test_an_empty_group_changes_between_protocols(broker, raw):
    topic = raw.create_topic()
    group = f"readers of {topic}"
    for number, kind in enumerate((ConfluentMember, CoordinatedMember, ConfluentMember)):
        ConfluentClient().produce(broker.address, topic, numbered(2), partition=0)
        with kind(broker.address, topic, group) as member:
            eventually(lambda member=member: len(member.read) == 2, what="the new records")
        assert member.read == [(0, 2 * number), (0, 2 * number + 1)]

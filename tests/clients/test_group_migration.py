"""Groups that change from the classic protocol to KIP-848 and back under load."""

from contextlib import ExitStack

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupType
from confluent_kafka.admin import AdminClient

from tests.clients.adapters.group_members import (
    AioMember,
    ConfluentMember,
    CoordinatedMember,
    PythonMember,
)
from tests.support.checked_load import create_topic
from tests.support.deployments import three_processes
from tests.support.numbering_producer import NumberingProducer
from tests.support.owners import Owners
from tests.support.waiting import eventually

PARTITIONS = 6
MEMBERS = 3
#: Rebalances of the new protocol are as quick as its heartbeats.
SETTINGS = {
    "group_initial_rebalance_delay_ms": "0",
    "group_consumer_heartbeat_interval_ms": "200",
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with three_processes(tmp_path_factory.mktemp("migration"), **SETTINGS) as deployment:
        yield deployment


def share_everything(members):
    """Whether each partition has one owner, and everybody has some."""
    dealt = sorted(part for one in members for part in one.assigned)
    return dealt == list(range(PARTITIONS)) and all(one.assigned for one in members)


class Group:
    """A group under load. `replace` takes the longest member out, and puts a new one in."""

    def __init__(self, broker, topic, stack):
        create_topic(broker.address, topic, partitions=PARTITIONS)
        self.producer = NumberingProducer(
            broker.address, topic, name=topic, partitions=PARTITIONS, pause_s=0.02
        )
        self.producer.start()
        stack.callback(self.producer.stop)
        self.broker, self.topic, self.stack = broker, topic, stack
        self.group = f"readers of {topic}"
        self.owners, self.members, self.gone = Owners(), [], []

    def add(self, kind, **options):
        member = kind(self.broker.address, self.topic, self.group, owners=self.owners, **options)
        self.members.append(self.stack.enter_context(member))

    def replace(self, kind, **options):
        oldest = self.members.pop(0)
        oldest.stop()
        self.gone.append(oldest)
        self.add(kind, **options)
        self.settle()

    def settle(self):
        eventually(
            lambda: share_everything(self.members), within_s=90, what="one owner for each partition"
        )

    def described(self):
        admin = AdminClient({"bootstrap.servers": self.broker.address})
        return admin.describe_consumer_groups([self.group])[self.group].result()

    def check(self):
        """Each record was processed by somebody, and no partition by two at a time."""
        self.producer.finish(within_s=60)
        assert not self.producer.failures
        everything = {(one.partition, one.offset) for one in self.producer.acknowledged}
        everybody = [*self.gone, *self.members]
        eventually(
            lambda: everything <= {part for one in everybody for part in one.read},
            within_s=60,
            what="all records",
        )
        assert len(everything) > 100 * PARTITIONS
        assert not self.owners.conflicts


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_a_rolling_upgrade_and_downgrade_lose_nothing_and_no_partition_has_two_owners(
    broker, strategy
):
    classic = {"partition.assignment.strategy": strategy}
    with ExitStack() as stack:
        group = Group(broker, f"orders-{strategy}", stack)
        for _ in range(MEMBERS):
            group.add(ConfluentMember, **classic)
        group.settle()
        assert group.described().type is ConsumerGroupType.CLASSIC
        for _ in range(MEMBERS):
            group.replace(CoordinatedMember)
            assert group.described().type is ConsumerGroupType.CONSUMER
        assert group.described().state is ConsumerGroupState.STABLE
        for left in reversed(range(MEMBERS)):
            group.replace(ConfluentMember, **classic)
            kind = ConsumerGroupType.CONSUMER if left else ConsumerGroupType.CLASSIC
            assert group.described().type is kind
        group.check()
        for one in group.members:
            one.stop()


def test_every_client_shares_a_group_with_a_member_of_the_new_protocol(broker):
    with ExitStack() as stack:
        group = Group(broker, "orders-of-all", stack)
        for kind in (AioMember, PythonMember, ConfluentMember):
            group.add(kind)
        group.settle()
        group.add(CoordinatedMember)
        group.settle()
        assert group.described().type is ConsumerGroupType.CONSUMER
        group.check()
        group.members.pop().stop()
        group.settle()
        assert group.described().type is ConsumerGroupType.CLASSIC

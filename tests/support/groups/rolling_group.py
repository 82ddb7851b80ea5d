"""A group under load whose members are replaced one by one, and a check that nothing was lost."""

from confluent_kafka.admin import AdminClient

from tests.support.clients.checked_load import create_topic
from tests.support.clients.numbering_producer import NumberingProducer
from tests.support.groups.partition_owners import Owners
from tests.support.waiting import eventually

PARTITIONS = 6


def share_everything(members):
    """True if each partition has one owner, and each member has a partition."""
    assigned = sorted(part for member in members for part in member.assigned)
    return assigned == list(range(PARTITIONS)) and all(member.assigned for member in members)


class RollingGroup:
    """A group under load. `replace` removes the oldest member, and adds a new one."""

    def __init__(self, broker, topic, stack):
        create_topic(broker.address, topic, partitions=PARTITIONS)
        self.producer = NumberingProducer(
            broker.address,
            topic,
            name=topic,
            partitions=PARTITIONS,
            pause_s=0.05,
            is_steady=True,
        )
        self.producer.start()
        stack.callback(self.producer.stop)
        self.broker, self.topic, self.stack = broker, topic, stack
        self.group = f"readers of {topic}"
        self.owners, self.members, self.stopped = Owners(), [], []

    def add(self, kind, **options):
        member = kind(self.broker.address, self.topic, self.group, owners=self.owners, **options)
        self.members.append(self.stack.enter_context(member))

    def replace(self, kind, *, meanwhile=lambda: None, **options):
        oldest = self.members.pop(0)
        oldest.stop()
        self.stopped.append(oldest)
        self.add(kind, **options)
        meanwhile()
        self.settle()

    def settle(self):
        # A member that cannot leave stays until its session expires: 45 s by default.
        eventually(
            lambda: share_everything(self.members),
            within_s=240,
            what="one owner for each partition",
        )

    def describe(self):
        admin = AdminClient({"bootstrap.servers": self.broker.address})
        return admin.describe_consumer_groups([self.group])[self.group].result()

    def check(self):
        """Asserts that each record was processed, and no partition by two members at a time."""
        records_min = 20 * PARTITIONS
        eventually(
            lambda: len(self.producer.acknowledged) > records_min, within_s=60, what="a load"
        )
        self.producer.finish(within_s=60)
        assert not self.producer.failures
        acknowledged = {(record.partition, record.offset) for record in self.producer.acknowledged}
        all_members = [*self.stopped, *self.members]

        def find_missing():
            return acknowledged - {part for member in all_members for part in member.read}

        try:
            eventually(lambda: not find_missing(), within_s=60, what="all records")
        finally:
            missing = sorted(find_missing())
            assert not missing, f"{missing[:20]} of {len(acknowledged)} were not read"
        assert not self.owners.conflicts, self.owners.conflicts

"""Groups that change protocol while their coordinator is killed keep their state and continue."""

from contextlib import ExitStack

import pytest
from confluent_kafka import ConsumerGroupType, KafkaException

from tests.clients.adapters.group_members import ConfluentMember, CoordinatedMember
from tests.support.clients.raw_client import RawClient
from tests.support.clients.raw_members import LOADING, NOT_AVAILABLE, NOT_COORDINATOR, REBALANCE
from tests.support.groups.rolling_group import RollingGroup
from tests.support.processes.deployments import three_processes
from tests.support.waiting import eventually
from tests.support.wire.group_apis import (
    CONSUMER_GROUP_DESCRIBE,
    CONSUMER_GROUP_HEARTBEAT,
    DESCRIBE_GROUPS,
    HEARTBEAT,
    JOIN_GROUP,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    SYNC_GROUP,
    assignment,
    subscription,
)
from tests.support.wire.kio_client import ask

pytestmark = pytest.mark.slow

MEMBERS = 3
SETTINGS = {
    "group_initial_rebalance_delay_ms": "0",
    "group_consumer_heartbeat_interval_ms": "200",
    "group_consumer_session_timeout_ms": "10000",
}
PASSING = (LOADING, NOT_AVAILABLE, NOT_COORDINATOR)
NOBODY = {"group_instance_id": None}
CLASSIC, CONSUMER = 0, 1


@pytest.fixture
def broker(tmp_path):
    with three_processes(tmp_path, **SETTINGS) as deployment:
        yield deployment


class Asking:
    """Requests about the group "g", again while its coordinator is on its way."""

    def __init__(self, broker, topic, raw):
        self.broker, self.topic, self.raw = broker, topic, raw

    def kill(self):
        """The coordinator; it comes back with what its log says."""
        self.broker.restart("partition")

    def ask(self, key, version, values, codes):
        found = []

        def is_answered():
            answer = ask(self.raw, key, version, values)
            found[:] = [answer]
            return codes(answer) not in PASSING

        eventually(is_answered, what=f"an answer to {key}")
        return found[0]

    def plain(self, key, version, values):
        return self.ask(key, version, {"group_id": "g", **values}, lambda one: one.error_code)

    def described(self):
        values = {"group_ids": ["g"], "include_authorized_operations": False}
        answer = self.ask(CONSUMER_GROUP_DESCRIBE, 1, values, lambda one: one.groups[0].error_code)
        return answer.groups[0]

    def classic(self):
        values = {"groups": ["g"], "include_authorized_operations": False}
        answer = self.ask(DESCRIBE_GROUPS, 5, values, lambda one: one.groups[0].error_code)
        return answer.groups[0]

    def join(self, member_id):
        protocol = {"name": "range", "metadata": subscription(self.topic)}
        values = {
            "session_timeout": 300_000,
            "rebalance_timeout": 300_000,
            "member_id": member_id,
            "protocol_type": "consumer",
            "protocols": [protocol],
            **NOBODY,
        }
        return self.plain(JOIN_GROUP, 7, values)

    def sync(self, joined, *partitions):
        mine = {
            "member_id": joined.member_id,
            "assignment": assignment(self.topic, *partitions),
        }
        values = {
            "generation_id": joined.generation_id,
            "member_id": joined.member_id,
            "protocol_type": "consumer",
            "protocol_name": "range",
            "assignments": [mine] if partitions else [],
            **NOBODY,
        }
        synced = self.plain(SYNC_GROUP, 5, values)
        assert synced.error_code == 0
        return synced.assignment

    def heartbeat(self, joined):
        values = {"generation_id": joined.generation_id, "member_id": joined.member_id, **NOBODY}
        return self.plain(HEARTBEAT, 4, values).error_code

    def consume(self, epoch, owned=()):
        values = {
            "member_id": "new",
            "member_epoch": epoch,
            "instance_id": None,
            "rack_id": None,
            "rebalance_timeout": 300_000,
            "subscribed_topic_names": [self.topic],
            "subscribed_topic_regex": None,
            "server_assignor": None,
            "topic_partitions": list(owned),
        }
        return self.plain(CONSUMER_GROUP_HEARTBEAT, 1, values)

    def commit(self, joined, offset):
        partition = {
            "partition_index": 0,
            "committed_offset": offset,
            "committed_leader_epoch": -1,
            "committed_metadata": None,
        }
        values = {
            "group_id": "g",
            "generation_id_or_member_epoch": joined.generation_id,
            "member_id": joined.member_id,
            "topics": [{"name": self.topic, "partitions": [partition]}],
            **NOBODY,
        }
        answer = self.ask(OFFSET_COMMIT, 8, values, _commit_code)
        assert _commit_code(answer) == 0

    def committed(self):
        values = {"group_id": "g", "topics": None, "require_stable": False}
        answer = self.ask(OFFSET_FETCH, 7, values, lambda one: one.error_code)
        return [
            partition.committed_offset for topic in answer.topics for partition in topic.partitions
        ]


def _commit_code(answer):
    return answer.topics[0].partitions[0].error_code


def partitions_of(member):
    return [part for one in member.assignment.topic_partitions for part in one.partitions]


def test_a_migrating_group_survives_a_kill_at_each_step(broker):
    with RawClient(broker.address) as raw:
        group = Asking(broker, raw.create_topic(partitions=4), raw)
        joined = group.join(group.join("").member_id)
        group.sync(joined, 0, 1, 2, 3)
        group.commit(joined, 7)

        new = group.consume(0)
        assert (new.error_code, new.member_epoch, new.assignment.topic_partitions) == (0, 2, ())
        before = group.described()
        group.kill()
        assert group.described() == before
        kinds = {member.member_id: member.member_type for member in before.members}
        assert kinds == {joined.member_id: CLASSIC, "new": CONSUMER}
        assert group.heartbeat(joined) == REBALANCE
        group.commit(joined, 8)

        joined = group.join(joined.member_id)
        assert (joined.error_code, joined.generation_id) == (0, 2)
        before = group.described()
        group.kill()
        assert group.described() == before
        old = next(member for member in before.members if member.member_id == joined.member_id)
        assert group.sync(joined)[:-4] == assignment(group.topic, *partitions_of(old))[:-4]
        assert group.heartbeat(joined) == 0
        new = group.consume(2)
        (mine,) = new.assignment.topic_partitions
        assert sorted([*mine.partitions, *partitions_of(old)]) == [0, 1, 2, 3]
        assert group.described().group_state == "Stable"

        assert group.consume(-1).error_code == 0
        before = group.classic()
        assert (before.group_state, len(before.members)) == ("PreparingRebalance", 1)
        group.kill()
        assert group.classic() == before
        assert group.heartbeat(joined) == REBALANCE
        joined = group.join(joined.member_id)
        assert (joined.generation_id, joined.leader) == (3, joined.member_id)
        group.sync(joined, 0, 1, 2, 3)
        group.kill()
        assert group.classic().group_state == "Stable"
        assert group.heartbeat(joined) == 0
        assert group.committed() == [8]


#: For clients whose broker comes back at once.
SOON = {"reconnect.backoff.max.ms": 500}


class Patient:
    """Member that ignores failed commits: the partition's next owner reads the records again."""

    def _commit(self, consumer):
        try:
            super()._commit(consumer)
        except KafkaException:
            self.not_committed += 1

    not_committed = 0


class PatientClassic(Patient, ConfluentMember):
    pass


class PatientCoordinated(Patient, CoordinatedMember):
    pass


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_real_members_migrate_there_and_back_while_services_are_killed(broker, strategy):
    classic = {"partition.assignment.strategy": strategy, "session.timeout.ms": 10_000, **SOON}
    kills = [lambda: broker.restart("partition"), lambda: broker.restart("gateway"), lambda: None]
    with ExitStack() as stack:
        group = RollingGroup(broker, "orders", stack)
        for _ in range(MEMBERS):
            group.add(PatientClassic, **classic)
        group.settle()
        for kill in kills:
            group.replace(PatientCoordinated, meanwhile=kill, **SOON)
        assert group.described().type is ConsumerGroupType.CONSUMER
        for kill in kills:
            group.replace(PatientClassic, meanwhile=kill, **classic)
        assert group.described().type is ConsumerGroupType.CLASSIC
        group.check()

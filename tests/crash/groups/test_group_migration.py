"""Migrations of groups between protocols while their coordinator is killed."""

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
RETRIABLE = (LOADING, NOT_AVAILABLE, NOT_COORDINATOR)
DYNAMIC = {"group_instance_id": None}
CLASSIC, CONSUMER = 0, 1


@pytest.fixture
def broker(tmp_path):
    with three_processes(tmp_path, **SETTINGS) as deployment:
        yield deployment


class GroupClient:
    """Sends requests about group "g", and retries them while its coordinator is unavailable."""

    def __init__(self, broker, topic, raw):
        self.broker, self.topic, self.raw = broker, topic, raw

    def restart_coordinator(self):
        """Kills the coordinator, which reads its state from the log when it starts."""
        self.broker.restart("partition")

    def request(self, key, version, values, error_code_of):
        """Sends a request until `error_code_of(response)` is final; returns the response."""
        responses = []

        def is_answered():
            response = ask(self.raw, key, version, values)
            responses[:] = [response]
            return error_code_of(response) not in RETRIABLE

        eventually(is_answered, what=f"a response of API {key}")
        return responses[0]

    def request_as_member(self, key, version, values):
        return self.request(key, version, {"group_id": "g", **values}, _error_code)

    def describe_consumer_group(self):
        values = {"group_ids": ["g"], "include_authorized_operations": False}
        response = self.request(CONSUMER_GROUP_DESCRIBE, 1, values, _group_error_code)
        return response.groups[0]

    def describe_classic_group(self):
        values = {"groups": ["g"], "include_authorized_operations": False}
        response = self.request(DESCRIBE_GROUPS, 5, values, _group_error_code)
        return response.groups[0]

    def join(self, member_id):
        protocol = {"name": "range", "metadata": subscription(self.topic)}
        values = {
            "session_timeout": 300_000,
            "rebalance_timeout": 300_000,
            "member_id": member_id,
            "protocol_type": "consumer",
            "protocols": [protocol],
            **DYNAMIC,
        }
        return self.request_as_member(JOIN_GROUP, 7, values)

    def sync(self, joined, *partitions):
        own_assignment = {
            "member_id": joined.member_id,
            "assignment": assignment(self.topic, *partitions),
        }
        values = {
            "generation_id": joined.generation_id,
            "member_id": joined.member_id,
            "protocol_type": "consumer",
            "protocol_name": "range",
            "assignments": [own_assignment] if partitions else [],
            **DYNAMIC,
        }
        synced = self.request_as_member(SYNC_GROUP, 5, values)
        assert synced.error_code == 0
        return synced.assignment

    def heartbeat(self, joined):
        values = {"generation_id": joined.generation_id, "member_id": joined.member_id, **DYNAMIC}
        return self.request_as_member(HEARTBEAT, 4, values).error_code

    def heartbeat_consumer(self, epoch, owned=()):
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
        return self.request_as_member(CONSUMER_GROUP_HEARTBEAT, 1, values)

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
            **DYNAMIC,
        }
        response = self.request(OFFSET_COMMIT, 8, values, _commit_error_code)
        assert _commit_error_code(response) == 0

    def fetch_offsets(self):
        values = {"group_id": "g", "topics": None, "require_stable": False}
        response = self.request(OFFSET_FETCH, 7, values, _error_code)
        return [
            partition.committed_offset
            for topic in response.topics
            for partition in topic.partitions
        ]


def _error_code(response):
    return response.error_code


def _group_error_code(response):
    return response.groups[0].error_code


def _commit_error_code(response):
    return response.topics[0].partitions[0].error_code


def partitions_of(member):
    return [part for topic in member.assignment.topic_partitions for part in topic.partitions]


def test_a_migrating_group_keeps_its_state_through_a_kill_at_each_step(broker):
    with RawClient(broker.address) as raw:
        group = GroupClient(broker, raw.create_topic(partitions=4), raw)
        joined = group.join(group.join("").member_id)
        group.sync(joined, 0, 1, 2, 3)
        group.commit(joined, 7)

        new = group.heartbeat_consumer(0)
        assert (new.error_code, new.member_epoch, new.assignment.topic_partitions) == (0, 2, ())
        before = group.describe_consumer_group()
        group.restart_coordinator()
        assert group.describe_consumer_group() == before
        types = {member.member_id: member.member_type for member in before.members}
        assert types == {joined.member_id: CLASSIC, "new": CONSUMER}
        assert group.heartbeat(joined) == REBALANCE
        group.commit(joined, 8)

        joined = group.join(joined.member_id)
        assert (joined.error_code, joined.generation_id) == (0, 2)
        before = group.describe_consumer_group()
        group.restart_coordinator()
        assert group.describe_consumer_group() == before
        old = next(member for member in before.members if member.member_id == joined.member_id)
        assert group.sync(joined)[:-4] == assignment(group.topic, *partitions_of(old))[:-4]
        assert group.heartbeat(joined) == 0
        new = group.heartbeat_consumer(2)
        (topic,) = new.assignment.topic_partitions
        assert sorted([*topic.partitions, *partitions_of(old)]) == [0, 1, 2, 3]
        assert group.describe_consumer_group().group_state == "Stable"

        assert group.heartbeat_consumer(-1).error_code == 0
        before = group.describe_classic_group()
        assert (before.group_state, len(before.members)) == ("PreparingRebalance", 1)
        group.restart_coordinator()
        assert group.describe_classic_group() == before
        assert group.heartbeat(joined) == REBALANCE
        joined = group.join(joined.member_id)
        assert (joined.generation_id, joined.leader) == (3, joined.member_id)
        group.sync(joined, 0, 1, 2, 3)
        group.restart_coordinator()
        assert group.describe_classic_group().group_state == "Stable"
        assert group.heartbeat(joined) == 0
        assert group.fetch_offsets() == [8]


#: For clients whose broker restarts at once.
SHORT_BACKOFF = {"reconnect.backoff.max.ms": 500}


class IgnoringCommitErrors:
    """Mixin that ignores failed commits: the partition's next owner reads the records again."""

    def _commit(self, consumer):
        try:
            super()._commit(consumer)
        except KafkaException:
            self.not_committed += 1

    not_committed = 0


class ClassicMember(IgnoringCommitErrors, ConfluentMember):
    pass


class ConsumerProtocolMember(IgnoringCommitErrors, CoordinatedMember):
    pass


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_real_members_migrate_in_both_directions_while_services_are_killed(broker, strategy):
    classic = {
        "partition.assignment.strategy": strategy,
        "session.timeout.ms": 10_000,
        **SHORT_BACKOFF,
    }
    kills = [lambda: broker.restart("partition"), lambda: broker.restart("gateway"), lambda: None]
    with ExitStack() as stack:
        group = RollingGroup(broker, "orders", stack)
        for _ in range(MEMBERS):
            group.add(ClassicMember, **classic)
        group.settle()
        for kill in kills:
            group.replace(ConsumerProtocolMember, meanwhile=kill, **SHORT_BACKOFF)
        assert group.describe().type is ConsumerGroupType.CONSUMER
        for kill in kills:
            group.replace(ClassicMember, meanwhile=kill, **classic)
        assert group.describe().type is ConsumerGroupType.CLASSIC
        group.check()

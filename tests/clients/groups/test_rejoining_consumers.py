"""librdkafka's consumers (KIP-848) that rejoin while they are members of the group (KAFKA-19233).

They get their partitions at once, and not only when their previous session has expired.
"""

import uuid

import pytest

from tests.clients.adapters.confluent import ConfluentClient
from tests.clients.adapters.group_members import CoordinatedMember
from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import DEPLOYMENTS
from tests.support.processes.proxy import Proxy
from tests.support.waiting import eventually
from tests.support.wire.group_apis import CONSUMER_GROUP_DESCRIBE, CONSUMER_GROUP_HEARTBEAT
from tests.support.wire.kio_client import ask
from tests.support.wire.records import numbered

PARTITIONS = 4
ALL = set(range(PARTITIONS))
SETTINGS = {
    # No session expires within a test.
    "group_consumer_session_timeout_ms": "600000",
    "group_consumer_heartbeat_interval_ms": "200",
}


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def broker(request, tmp_path_factory):
    """A broker behind a proxy, whose address it advertises."""
    proxy = Proxy()
    settings = {"advertised_listeners": f"PLAINTEXT://{proxy.address}", **SETTINGS}
    folder = tmp_path_factory.mktemp(f"rejoining-{request.param}")
    with DEPLOYMENTS[request.param](folder, **settings) as deployment:
        proxy.target = deployment.address
        deployment.proxy = proxy
        yield deployment
    proxy.close()


class Reader:
    """A group with one member, which reads through the proxy; other requests bypass the proxy."""

    def __init__(self, broker, raw):
        self.address, self.raw = broker.address, raw
        self.topic = raw.create_topic(partitions=PARTITIONS)
        self.topic_id = raw.topic_id(self.topic)
        self.group = f"readers of {self.topic}"
        self.member = CoordinatedMember(broker.proxy.address, self.topic, self.group)
        self.produced = 0

    def wait_for_all_partitions(self, *, assignments):
        """Returns the member as the coordinator describes it.

        `assignments` is the number of assignments that the client must have received.
        """

        def has_all():
            return self.member.assignments >= assignments and self.member.assigned == ALL

        eventually(has_all, what="all partitions")
        assert self.member.assignments == assignments
        values = {"group_ids": [self.group], "include_authorized_operations": False}
        (group,) = ask(self.raw, CONSUMER_GROUP_DESCRIBE, 1, values).groups
        (owner,) = (member for member in group.members if member.assignment.topic_partitions)
        (assigned,) = owner.assignment.topic_partitions
        assert {*assigned.partitions} == ALL
        return owner

    def produce_and_read(self):
        ConfluentClient().produce(self.address, self.topic, numbered(3), partition=1)
        self.produced += 3
        eventually(
            lambda: {(1, offset) for offset in range(self.produced)} <= {*self.member.read},
            what="the new records",
        )

    def raise_epoch(self, member):
        """Sends a heartbeat of `member` over another connection, which raises its epoch."""
        values = self._heartbeat(member.member_id, member.member_epoch)
        topics = [self.topic, f"not {self.topic}"]
        response = ask(
            self.raw, CONSUMER_GROUP_HEARTBEAT, 1, values | {"subscribed_topic_names": topics}
        )
        assert response.error_code == 0
        assert response.member_epoch > member.member_epoch

    def add_idle_member(self):
        """Adds a member that reads nothing, over a new connection; returns its epoch."""
        values = self._heartbeat(str(uuid.uuid4()), 0) | {
            "rebalance_timeout": 60_000,
            "subscribed_topic_names": [f"not {self.topic}"],
            "topic_partitions": [],
        }
        with RawClient(self.address) as raw:
            response = ask(raw, CONSUMER_GROUP_HEARTBEAT, 1, values)
        assert response.error_code == 0
        return response.member_epoch

    def _heartbeat(self, member_id, epoch):
        return {
            "group_id": self.group,
            "member_id": member_id,
            "member_epoch": epoch,
            "instance_id": None,
            "rack_id": None,
            "rebalance_timeout": -1,
            "subscribed_topic_names": None,
            "subscribed_topic_regex": None,
            "server_assignor": None,
            "topic_partitions": None,
        }


@pytest.fixture
def reader(broker, raw):
    return Reader(broker, raw)


@pytest.fixture
def lost_responses(broker, reader):
    """Loses the first two responses that have an assignment, with their connections.

    After each of them another member joins the group, which raises the epochs of all others. Yields
    the lost responses, and the epochs of the new members.
    """
    lost = []

    def is_lost(chunk):
        # Metadata responses have the topic's name and id, heartbeat responses the id alone.
        names_topic = reader.topic.encode() in chunk
        if len(lost) == 2 or names_topic or reader.topic_id.bytes not in chunk:
            return False
        lost.append((chunk, reader.add_idle_member()))
        return True

    broker.proxy.must_cut = is_lost
    yield lost
    broker.proxy.must_cut = lambda _: False


def test_a_consumer_whose_first_responses_were_lost_gets_partitions_at_once(reader, lost_responses):
    """It retries the heartbeat over its next connection, each time with epoch 0."""
    with reader.member:
        member = reader.wait_for_all_partitions(assignments=1)
        (first, first_epoch), (second, second_epoch) = lost_responses
        assert member.member_id.encode() in first
        assert member.member_id.encode() in second
        assert first_epoch < second_epoch
        reader.produce_and_read()


def test_a_fenced_consumer_gets_its_partitions_back_at_once(reader):
    """It revokes all partitions, and rejoins with epoch 0 under its member id."""
    with reader.member:
        member = reader.wait_for_all_partitions(assignments=1)
        reader.produce_and_read()
        reader.raise_epoch(member)
        rejoined = reader.wait_for_all_partitions(assignments=2)
        assert rejoined.member_id == member.member_id
        reader.produce_and_read()

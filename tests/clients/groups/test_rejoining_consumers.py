"""librdkafka's consumers (KIP-848) that join again while their group has them (KAFKA-19233).

They are given their partitions at once, not when the session that they began before has ended.
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
    # No test can wait for the end of a session.
    "group_consumer_session_timeout_ms": "600000",
    "group_consumer_heartbeat_interval_ms": "200",
}


@pytest.fixture(scope="module", params=DEPLOYMENTS)
def broker(request, tmp_path_factory):
    """A broker that clients reach through a proxy, and know by the proxy's address only."""
    proxy = Proxy()
    settings = {"advertised_listeners": f"PLAINTEXT://{proxy.address}", **SETTINGS}
    folder = tmp_path_factory.mktemp(f"rejoining-{request.param}")
    with DEPLOYMENTS[request.param](folder, **settings) as deployment:
        proxy.target = deployment.address
        deployment.proxy = proxy
        yield deployment
    proxy.close()


class Reader:
    """A group with one member that reads, through the proxy; the tests ask about it directly."""

    def __init__(self, broker, raw):
        self.address, self.raw = broker.address, raw
        self.topic = raw.create_topic(partitions=PARTITIONS)
        self.topic_id = raw.topic_id(self.topic)
        self.group = f"readers of {self.topic}"
        self.member = CoordinatedMember(broker.proxy.address, self.topic, self.group)
        self.produced = 0

    def wait_until_it_has_all(self, *, assignments):
        """Returns the member as the coordinator knows it.

        `assignments`: how often partitions were given to the client since it began.
        """

        def has_all():
            return self.member.assignments >= assignments and self.member.assigned == ALL

        eventually(has_all, what="all partitions")
        assert self.member.assignments == assignments
        values = {"group_ids": [self.group], "include_authorized_operations": False}
        (described,) = ask(self.raw, CONSUMER_GROUP_DESCRIBE, 1, values).groups
        (owner,) = (member for member in described.members if member.assignment.topic_partitions)
        (assigned,) = owner.assignment.topic_partitions
        assert {*assigned.partitions} == ALL
        return owner

    def produce_and_read(self):
        ConfluentClient().produce(self.address, self.topic, numbered(3), partition=1)
        self.produced += 3
        eventually(
            lambda: {(1, offset) for offset in range(self.produced)} <= {*self.member.read},
            what="the records since",
        )

    def raise_epoch(self, known):
        """Sends a heartbeat in the member's name, without its knowledge."""
        values = self._heartbeat(known.member_id, known.member_epoch)
        wanted = [self.topic, f"not {self.topic}"]
        answer = ask(
            self.raw, CONSUMER_GROUP_HEARTBEAT, 1, values | {"subscribed_topic_names": wanted}
        )
        assert answer.error_code == 0
        assert answer.member_epoch > known.member_epoch

    def add_idle_member(self):
        """Another member, which reads nothing, over a connection of its own; returns its epoch."""
        values = self._heartbeat(str(uuid.uuid4()), 0) | {
            "rebalance_timeout": 60_000,
            "subscribed_topic_names": [f"not {self.topic}"],
            "topic_partitions": [],
        }
        with RawClient(self.address) as raw:
            answer = ask(raw, CONSUMER_GROUP_HEARTBEAT, 1, values)
        assert answer.error_code == 0
        return answer.member_epoch

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
def lost(broker, reader):
    """The first two answers that have an assignment: they are lost, with their connections.

    After each of them another member joins the group, and the epochs of all others rise.
    """
    answers = []

    def is_lost(chunk):
        # Metadata has the topic's name beside its id, a heartbeat's answer the id alone.
        names_topic = reader.topic.encode() in chunk
        if len(answers) == 2 or names_topic or reader.topic_id.bytes not in chunk:
            return False
        answers.append((chunk, reader.add_idle_member()))
        return True

    broker.proxy.cut_answer = is_lost
    yield answers
    broker.proxy.cut_answer = lambda _: False


def test_a_consumer_whose_first_heartbeats_were_not_answered_has_partitions_at_once(reader, lost):
    """It sends the heartbeat again over its next connection, each time with epoch 0."""
    with reader.member:
        known = reader.wait_until_it_has_all(assignments=1)
        (first, first_epoch), (second, second_epoch) = lost
        assert known.member_id.encode() in first
        assert known.member_id.encode() in second
        assert first_epoch < second_epoch
        reader.produce_and_read()


def test_a_consumer_that_was_fenced_has_its_partitions_again_at_once(reader):
    """It gives everything up, and comes back with epoch 0 as the member that the group has."""
    with reader.member:
        known = reader.wait_until_it_has_all(assignments=1)
        reader.produce_and_read()
        reader.raise_epoch(known)
        again = reader.wait_until_it_has_all(assignments=2)
        assert again.member_id == known.member_id
        reader.produce_and_read()

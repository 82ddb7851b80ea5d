"""A sample group, and values of requests about it, with the fields of all versions."""

import uuid
from dataclasses import dataclass

from tests.support.wire.api_exchanges import ExchangeContext
from tests.support.wire.group_apis import LEAVE_GROUP, OFFSET_COMMIT, assignment, subscription
from tests.support.wire.kio_client import ask


@dataclass(frozen=True)
class GroupExchangeContext(ExchangeContext):
    """A classic group of one member that has its assignment."""

    group: str
    member_id: str
    generation: int

    @property
    def members_names(self):
        return {"group_id": self.group, "member_id": self.member_id, "group_instance_id": None}

    @property
    def in_generation(self):
        return self.members_names | {"generation_id": self.generation}

    def ask(self, key, version, values):
        return ask(self.raw, key, version, values)


def join_of(topic, group, member_id=""):
    return {
        "group_id": group,
        "session_timeout": 30_000,
        "rebalance_timeout": 30_000,
        "member_id": member_id,
        "group_instance_id": None,
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": subscription(topic)}],
        "reason": None,
    }


def sync_of(context):
    own_share = {"member_id": context.member_id, "assignment": assignment(context.topic, 0)}
    protocol = {"protocol_type": "consumer", "protocol_name": "range"}
    return context.in_generation | protocol | {"assignments": [own_share]}


def leave_of(context):
    """LeaveGroup for all versions: since 3 several members may leave at once."""
    leaving = {"member_id": context.member_id, "group_instance_id": None, "reason": "done"}
    return {"group_id": context.group, "member_id": context.member_id, "members": [leaving]}


def commit_of(context, offset, *, as_member=True):
    offset_to_commit = {
        "partition_index": 0,
        "committed_offset": offset,
        "committed_leader_epoch": -1,
        "committed_metadata": "so far",
    }
    topic = {"name": context.topic, "topic_id": context.topic_id, "partitions": [offset_to_commit]}
    member = context.members_names | {"generation_id_or_member_epoch": context.generation}
    no_member = {"group_id": context.group, "member_id": "", "generation_id_or_member_epoch": -1}
    return (member if as_member else no_member) | {"retention_time": -1, "topics": [topic]}


def fetch_of(context):
    """OffsetFetch for all versions: since 8 one request may name several groups."""
    topics = [{"name": context.topic, "topic_id": context.topic_id, "partition_indexes": [0]}]
    group = {"group_id": context.group, "topics": topics}
    return group | {"groups": [group | {"member_epoch": -1}], "require_stable": True}


def committed_offset(response, version):
    """Returns offset, metadata and error of the only partition."""
    group = response.groups[0] if version >= 8 else response
    partition = group.topics[0].partitions[0]
    return partition.committed_offset, partition.metadata, partition.error_code


def leave_an_empty_group(context):
    """Commits an offset, and removes the only member."""
    assert commit_error(context.ask(OFFSET_COMMIT, 9, commit_of(context, 3))) == 0
    assert context.ask(LEAVE_GROUP, 5, leave_of(context)).error_code == 0


def commit_error(response):
    return response.topics[0].partitions[0].error_code


def consumer_of(context):
    return {
        "group_id": context.group + "-848",
        "member_id": str(uuid.uuid4()),
        "member_epoch": 0,
        "instance_id": None,
        "rack_id": None,
        "rebalance_timeout": 30_000,
        "subscribed_topic_names": [context.topic],
        "subscribed_topic_regex": None,
        "server_assignor": "range",
        "topic_partitions": [],
    }

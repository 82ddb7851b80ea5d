"""Every group API in every advertised version, with kio's codec, as in `test_every_version.py`."""

import pytest

from tests.support.groups.samples import (
    GroupExchangeContext,
    commit_error,
    commit_of,
    committed_offset,
    consumer_of,
    fetch_of,
    join_of,
    leave_an_empty_group,
    leave_of,
    sync_of,
)
from tests.support.wire.api_exchanges import Exchange, versions_of
from tests.support.wire.group_apis import (
    CONSUMER_GROUP_DESCRIBE,
    CONSUMER_GROUP_HEARTBEAT,
    DELETE_GROUPS,
    DESCRIBE_GROUPS,
    FIND_COORDINATOR,
    GROUP_ID_NOT_FOUND,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    LIST_GROUPS,
    MEMBER_ID_REQUIRED,
    OFFSET_COMMIT,
    OFFSET_DELETE,
    OFFSET_FETCH,
    SYNC_GROUP,
    UNKNOWN_MEMBER_ID,
    assignment,
    subscription,
)
from tests.support.wire.kio_client import ask

OPERATIONS_NOT_REQUESTED = -(2**31)
MEMBER_TYPE_CONSUMER = 1


def find_coordinator_values(context):
    return {"key": context.group, "key_type": 0, "coordinator_keys": [context.group]}


def find_coordinator_check(response, context):
    coordinator = response.coordinators[0] if context.version >= 4 else response
    assert coordinator.error_code == 0
    assert (coordinator.host, coordinator.port) == context.raw.socket.getpeername()


def join_group_values(context):
    return join_of(context.topic, context.group, context.member_id)


def join_group_check(response, context):
    # When the leader rejoins, the next generation begins.
    assert (response.error_code, response.generation_id) == (0, context.generation + 1)
    assert (response.leader, response.protocol_name) == (context.member_id, "range")
    (member,) = response.members
    assert (member.member_id, member.metadata) == (context.member_id, subscription(context.topic))
    if context.version >= 7:
        assert response.protocol_type == "consumer"
    new = context.ask(JOIN_GROUP, context.version, join_of(context.topic, context.group + "-new"))
    assert new.error_code == (MEMBER_ID_REQUIRED if context.version >= 4 else 0)
    assert new.member_id


def sync_group_check(response, context):
    assert (response.error_code, response.assignment) == (0, assignment(context.topic, 0))
    if context.version >= 5:
        assert (response.protocol_type, response.protocol_name) == ("consumer", "range")


def heartbeat_values(context):
    return context.in_generation


def heartbeat_check(response, context):
    assert response.error_code == 0
    unknown = context.in_generation | {"member_id": "unknown"}
    assert context.ask(HEARTBEAT, context.version, unknown).error_code == UNKNOWN_MEMBER_ID


def leave_group_check(response, context):
    assert response.error_code == 0
    if context.version >= 3:
        assert [(member.member_id, member.error_code) for member in response.members] == [
            (context.member_id, 0)
        ]
    assert context.ask(HEARTBEAT, 4, context.in_generation).error_code == UNKNOWN_MEMBER_ID


def offset_commit_values(context):
    return commit_of(context, 2)


def offset_commit_check(response, context):
    assert commit_error(response) == 0
    assert committed_offset(context.ask(OFFSET_FETCH, 9, fetch_of(context)), 9) == (2, "so far", 0)


def offset_fetch_values(context):
    assert commit_error(context.ask(OFFSET_COMMIT, 9, commit_of(context, 1))) == 0
    return fetch_of(context)


def offset_fetch_check(response, context):
    assert committed_offset(response, context.version) == (1, "so far", 0)


def describe_groups_values(context):
    return {"groups": [context.group], "include_authorized_operations": False}


def describe_groups_check(response, context):
    (group,) = response.groups
    assert (group.error_code, group.group_id, group.group_state) == (0, context.group, "Stable")
    assert (group.protocol_type, group.protocol_data) == ("consumer", "range")
    (member,) = group.members
    assert (member.member_id, member.client_id) == (context.member_id, "tests")
    assert member.member_metadata == subscription(context.topic)
    assert member.member_assignment == assignment(context.topic, 0)
    if context.version >= 3:
        assert group.authorized_operations == OPERATIONS_NOT_REQUESTED


def list_groups_values(context):
    return {"states_filter": ["stable"], "types_filter": ["classic"]}


def list_groups_check(response, context):
    assert response.error_code == 0
    (listed,) = (group for group in response.groups if group.group_id == context.group)
    assert listed.protocol_type == "consumer"
    if context.version >= 4:
        assert {group.group_state for group in response.groups} == {"Stable"}
    if context.version >= 5:
        assert {group.group_type for group in response.groups} == {"classic"}


def delete_groups_values(context):
    leave_an_empty_group(context)
    return {"groups_names": [context.group, context.group + "-unknown"]}


def delete_groups_check(response, context):
    assert {result.group_id: result.error_code for result in response.results} == {
        context.group: 0,
        context.group + "-unknown": GROUP_ID_NOT_FOUND,
    }
    assert committed_offset(context.ask(OFFSET_FETCH, 9, fetch_of(context)), 9) == (-1, "", 0)


def offset_delete_values(context):
    leave_an_empty_group(context)
    topic = {"name": context.topic, "partitions": [{"partition_index": 0}]}
    return {"group_id": context.group, "topics": [topic]}


def offset_delete_check(response, context):
    assert response.error_code == 0
    assert commit_error(response) == 0
    assert committed_offset(context.ask(OFFSET_FETCH, 9, fetch_of(context)), 9) == (-1, "", 0)


def consumer_group_heartbeat_check(response, context):
    assert (response.error_code, response.error_message) == (0, None)
    assert response.member_epoch > 0
    (assigned,) = response.assignment.topic_partitions
    assert (assigned.topic_id, assigned.partitions) == (context.topic_id, (0,))


def consumer_group_describe_values(context):
    joined = context.ask(CONSUMER_GROUP_HEARTBEAT, 1, consumer_of(context))
    assert joined.error_code == 0
    return {"group_ids": [context.group + "-848"], "include_authorized_operations": False}


def consumer_group_describe_check(response, context):
    (group,) = response.groups
    assert (group.error_code, group.group_state, group.assignor_name) == (0, "Stable", "range")
    (member,) = group.members
    assert member.subscribed_topic_names == (context.topic,)
    (assigned,) = member.assignment.topic_partitions
    assert (assigned.topic_name, assigned.partitions) == (context.topic, (0,))
    assert member.assignment == member.target_assignment
    if context.version >= 1:
        assert member.member_type == MEMBER_TYPE_CONSUMER


EXCHANGES = {
    FIND_COORDINATOR: Exchange(find_coordinator_values, find_coordinator_check),
    JOIN_GROUP: Exchange(join_group_values, join_group_check),
    SYNC_GROUP: Exchange(sync_of, sync_group_check),
    HEARTBEAT: Exchange(heartbeat_values, heartbeat_check),
    LEAVE_GROUP: Exchange(leave_of, leave_group_check),
    OFFSET_COMMIT: Exchange(offset_commit_values, offset_commit_check),
    OFFSET_FETCH: Exchange(offset_fetch_values, offset_fetch_check),
    DESCRIBE_GROUPS: Exchange(describe_groups_values, describe_groups_check),
    LIST_GROUPS: Exchange(list_groups_values, list_groups_check),
    DELETE_GROUPS: Exchange(delete_groups_values, delete_groups_check),
    OFFSET_DELETE: Exchange(offset_delete_values, offset_delete_check),
    CONSUMER_GROUP_HEARTBEAT: Exchange(consumer_of, consumer_group_heartbeat_check),
    CONSUMER_GROUP_DESCRIBE: Exchange(
        consumer_group_describe_values, consumer_group_describe_check
    ),
}


@pytest.fixture
def context(raw, topic, request):
    """A context for one exchange, with a member of a Stable group; `version` is the test's."""
    group = f"of-{topic}"
    first_join = ask(raw, JOIN_GROUP, 9, join_of(topic, group))
    joined = ask(raw, JOIN_GROUP, 9, join_of(topic, group, first_join.member_id))
    context = GroupExchangeContext(
        raw=raw,
        topic=topic,
        topic_id=raw.topic_id(topic),
        version=request.getfixturevalue("version"),
        group=group,
        member_id=joined.member_id,
        generation=joined.generation_id,
    )
    assert context.ask(SYNC_GROUP, 5, sync_of(context)).error_code == 0
    return context


@pytest.mark.parametrize(("key", "version"), versions_of(EXCHANGES))
def test_group_api_answers_in_every_version(key, version, context):
    exchange = EXCHANGES[key]
    exchange.check(context.ask(key, version, exchange.values(context)), context)

"""OffsetCommit, OffsetFetch and OffsetDelete, and groups without members."""

from tests.differential.comparison import NO_SUCH_ID
from tests.differential.requests import commit, delete_topics, offset_delete, offset_fetch
from tests.differential.sides import versions_of
from tests.support.clients.raw_client import DELETE_TOPICS
from tests.support.wire.group_apis import (
    DELETE_GROUPS,
    DESCRIBE_GROUPS,
    LIST_GROUPS,
    OFFSET_COMMIT,
    OFFSET_DELETE,
    OFFSET_FETCH,
)

ALL_GROUPS = {"states_filter": [], "types_filter": []}


def test_offsets_are_committed_as_in_kafka(sides):
    topic_id = sides.new_topic("committed", 3)
    for version in versions_of(OFFSET_COMMIT):
        group = f"commits-{version}"

        def offset_of(index, offset=5, text="", name="committed", topic_id=topic_id):
            return (name, topic_id, index, offset, text)

        for request in (
            commit(group, offset_of(0), offset_of(1, 7, "why"), offset_of(0, 8)),
            commit(group, offset_of(2, 0, None)),
            commit(group, offset_of(0, -1), offset_of(0, -7)),
            commit(group, offset_of(3), offset_of(-1)),
            commit(group, offset_of(0, name="unknown", topic_id=NO_SUCH_ID), offset_of(1)),
            commit(group, offset_of(0, name="no/slash", topic_id=NO_SUCH_ID)),
            commit(group, offset_of(0, text="x" * 4096)),
            commit(group, offset_of(0, text="x" * 4097), offset_of(1)),
            commit(group, offset_of(0), member_id="unknown"),
            commit(group, offset_of(0), generation_id_or_member_epoch=3),
            commit(group, offset_of(0), member_id="unknown", generation_id_or_member_epoch=3),
            commit(group, offset_of(0), group_instance_id="unknown" if version >= 7 else None),
            commit("", offset_of(0)),
            commit(group),
            commit(group, offset_of(1, 9), retention_time=1000),
            commit(group, offset_of(1, 9), retention_time=-5),
        ):
            sides.compare(OFFSET_COMMIT, version, request)
        sides.compare(OFFSET_FETCH, 9, offset_fetch(group, all_topics=True))


def test_offsets_are_fetched_as_in_kafka(sides):
    topic_id, other_id = sides.new_topic("kept", 3), sides.new_topic("empty", 2)
    offsets = [("kept", topic_id, 0, 5, "why"), ("kept", topic_id, 2, 6, "")]
    sides.compare(OFFSET_COMMIT, 9, commit("fetches", *offsets))
    for version in versions_of(OFFSET_FETCH):
        for request in (
            offset_fetch("fetches", ("kept", topic_id, [0, 1, 2, 3, -1])),
            offset_fetch("fetches", ("kept", topic_id, []), ("empty", other_id, [0])),
            offset_fetch("fetches", ("kept", topic_id, [0]), ("kept", topic_id, [2])),
            offset_fetch("fetches", ("unknown", NO_SUCH_ID, [0]), ("kept", topic_id, [0])),
            offset_fetch("fetches", ("no/slash", NO_SUCH_ID, [0])),
            offset_fetch("fetches"),
            offset_fetch("unknown", ("kept", topic_id, [0])),
            offset_fetch("", ("kept", topic_id, [0])),
            {**offset_fetch("fetches", ("kept", topic_id, [0])), "require_stable": True},
        ):
            sides.compare(OFFSET_FETCH, version, request)
        if version >= 2:
            sides.compare(OFFSET_FETCH, version, offset_fetch("fetches", all_topics=True))
            sides.compare(OFFSET_FETCH, version, offset_fetch("unknown", all_topics=True))
        if version >= 8:
            known, unknown = (
                offset_fetch(name, all_topics=True) for name in ("fetches", "unknown")
            )
            several = {**known, "groups": known["groups"] + unknown["groups"]}
            sides.compare(OFFSET_FETCH, version, several)
            twice = {**known, "groups": several["groups"] + known["groups"]}
            sides.compare(OFFSET_FETCH, version, twice)
            sides.compare(OFFSET_FETCH, version, {**known, "groups": []})
        if version >= 9:
            member = offset_fetch("fetches", all_topics=True, member_id="unknown", member_epoch=4)
            sides.compare(OFFSET_FETCH, version, member)


def test_offsets_of_a_recreated_topic_are_fetched_as_in_kafka(sides):
    topic_id = sides.new_topic("recreated", 2)
    sides.compare(OFFSET_COMMIT, 9, commit("remembers", ("recreated", topic_id, 0, 5, "")))
    sides.prepare(DELETE_TOPICS, 5, delete_topics("recreated"))
    other_id = sides.new_topic("recreated", 2)
    for version in versions_of(OFFSET_FETCH):
        partitions = ("recreated", other_id, [0, 1])
        sides.compare(OFFSET_FETCH, version, offset_fetch("remembers", partitions))
    old = commit("remembers", ("recreated", topic_id, 0, 5, ""))
    sides.compare(OFFSET_COMMIT, versions_of(OFFSET_COMMIT)[-1], old)


def test_offsets_are_deleted_as_in_kafka(sides):
    topic_id = sides.new_topic("deleted", 3)
    offsets = [("deleted", topic_id, index, 5, "") for index in range(3)]
    sides.compare(OFFSET_COMMIT, 9, commit("deletes", *offsets))
    for request in (
        offset_delete("deletes", ("deleted", 0)),
        offset_delete("deletes", ("deleted", 0), ("deleted", 7), ("unknown", 0)),
        offset_delete("deletes", ("no/slash", 0)),
        offset_delete("deletes"),
        offset_delete("unknown", ("deleted", 0)),
        offset_delete("", ("deleted", 0)),
    ):
        sides.compare(OFFSET_DELETE, 0, request)
        sides.compare(OFFSET_FETCH, 9, offset_fetch("deletes", all_topics=True))
    sides.compare(OFFSET_DELETE, 0, offset_delete("deletes", ("deleted", 1), ("deleted", 2)))
    sides.compare(OFFSET_FETCH, 9, offset_fetch("deletes", all_topics=True))
    sides.compare(LIST_GROUPS, 5, ALL_GROUPS)


def test_groups_without_members_are_described_and_deleted_as_in_kafka(sides):
    topic_id = sides.new_topic("described")
    for version in versions_of(DELETE_GROUPS):
        group = f"described-{version}"
        sides.compare(OFFSET_COMMIT, 9, commit(group, ("described", topic_id, 0, 5, "")))
        for describe_version in versions_of(DESCRIBE_GROUPS):
            for is_requested in (True, False):
                values = {
                    "groups": [group, "unknown", ""],
                    "include_authorized_operations": is_requested,
                }
                sides.compare(DESCRIBE_GROUPS, describe_version, values)
                twice = {**values, "groups": [group, "unknown", group]}
                sides.compare(DESCRIBE_GROUPS, describe_version, twice)
        for list_version in versions_of(LIST_GROUPS):
            for states, types in (
                ([], []),
                (["Empty"], []),
                (["empty"], []),
                (["Stable"], []),
                (["no such state"], []),
                ([], ["classic"]),
                ([], ["Classic"]),
                ([], ["consumer"]),
                ([], ["no such type"]),
            ):
                request = {"states_filter": states, "types_filter": types}
                sides.compare(LIST_GROUPS, list_version, request)
        names = {"groups_names": [group, "unknown", ""]}
        sides.compare(DELETE_GROUPS, version, names)
        sides.compare(DELETE_GROUPS, version, names)
        sides.compare(DELETE_GROUPS, version, {"groups_names": []})
        sides.compare(OFFSET_FETCH, 9, offset_fetch(group, all_topics=True))

"""OffsetCommit, OffsetFetch and OffsetDelete, and what becomes of groups without members."""

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

EVERYTHING = {"states_filter": [], "types_filter": []}


def test_offsets_are_committed_alike(sides):
    topic_id = sides.new_topic("committed", 3)
    for version in versions_of(OFFSET_COMMIT):
        group = f"commits-{version}"

        def of(index, offset=5, text="", name="committed", topic_id=topic_id):
            return (name, topic_id, index, offset, text)

        for asked in (
            commit(group, of(0), of(1, 7, "why"), of(0, 8)),
            commit(group, of(2, 0, None)),
            commit(group, of(0, -1), of(0, -7)),
            commit(group, of(3), of(-1)),
            commit(group, of(0, name="unknown", topic_id=NO_SUCH_ID), of(1)),
            commit(group, of(0, name="no/slash", topic_id=NO_SUCH_ID)),
            commit(group, of(0, text="x" * 4096)),
            commit(group, of(0, text="x" * 4097), of(1)),
            commit(group, of(0), member_id="unknown"),
            commit(group, of(0), generation_id_or_member_epoch=3),
            commit(group, of(0), member_id="unknown", generation_id_or_member_epoch=3),
            commit(group, of(0), group_instance_id="unknown" if version >= 7 else None),
            commit("", of(0)),
            commit(group),
            commit(group, of(1, 9), retention_time=1000),
            commit(group, of(1, 9), retention_time=-5),
        ):
            sides.ask(OFFSET_COMMIT, version, asked)
        every = offset_fetch(group, every=True)
        sides.ask(OFFSET_FETCH, 9, every)


def test_offsets_are_fetched_alike(sides):
    topic_id, other_id = sides.new_topic("kept", 3), sides.new_topic("empty", 2)
    of_topics = [("kept", topic_id, 0, 5, "why"), ("kept", topic_id, 2, 6, "")]
    sides.ask(OFFSET_COMMIT, 9, commit("fetches", *of_topics))
    for version in versions_of(OFFSET_FETCH):
        for asked in (
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
            sides.ask(OFFSET_FETCH, version, asked)
        if version >= 2:
            sides.ask(OFFSET_FETCH, version, offset_fetch("fetches", every=True))
            sides.ask(OFFSET_FETCH, version, offset_fetch("unknown", every=True))
        if version >= 8:
            one, other = (offset_fetch(name, every=True) for name in ("fetches", "unknown"))
            several = {**one, "groups": one["groups"] + other["groups"]}
            sides.ask(OFFSET_FETCH, version, several)
            twice = {**one, "groups": several["groups"] + one["groups"]}
            sides.ask(OFFSET_FETCH, version, twice)
            sides.ask(OFFSET_FETCH, version, {**one, "groups": []})
        if version >= 9:
            member = offset_fetch("fetches", every=True, member_id="unknown", member_epoch=4)
            sides.ask(OFFSET_FETCH, version, member)


def test_offsets_of_a_topic_made_again_are_fetched_alike(sides):
    topic_id = sides.new_topic("made-again", 2)
    sides.ask(OFFSET_COMMIT, 9, commit("remembers", ("made-again", topic_id, 0, 5, "")))
    sides.prepare(DELETE_TOPICS, 5, delete_topics("made-again"))
    other_id = sides.new_topic("made-again", 2)
    for version in versions_of(OFFSET_FETCH):
        of_partitions = ("made-again", other_id, [0, 1])
        sides.ask(OFFSET_FETCH, version, offset_fetch("remembers", of_partitions))
    old = commit("remembers", ("made-again", topic_id, 0, 5, ""))
    sides.ask(OFFSET_COMMIT, versions_of(OFFSET_COMMIT)[-1], old)


def test_offsets_are_deleted_alike(sides):
    topic_id = sides.new_topic("deleted", 3)
    of_topics = [("deleted", topic_id, index, 5, "") for index in range(3)]
    sides.ask(OFFSET_COMMIT, 9, commit("deletes", *of_topics))
    for asked in (
        offset_delete("deletes", ("deleted", 0)),
        offset_delete("deletes", ("deleted", 0), ("deleted", 7), ("unknown", 0)),
        offset_delete("deletes", ("no/slash", 0)),
        offset_delete("deletes"),
        offset_delete("unknown", ("deleted", 0)),
        offset_delete("", ("deleted", 0)),
    ):
        sides.ask(OFFSET_DELETE, 0, asked)
        sides.ask(OFFSET_FETCH, 9, offset_fetch("deletes", every=True))
    sides.ask(OFFSET_DELETE, 0, offset_delete("deletes", ("deleted", 1), ("deleted", 2)))
    sides.ask(OFFSET_FETCH, 9, offset_fetch("deletes", every=True))
    sides.ask(LIST_GROUPS, 5, EVERYTHING)


def test_groups_without_members_are_described_and_deleted_alike(sides):
    topic_id = sides.new_topic("described")
    for version in versions_of(DELETE_GROUPS):
        group = f"described-{version}"
        sides.ask(OFFSET_COMMIT, 9, commit(group, ("described", topic_id, 0, 5, "")))
        for of_describe in versions_of(DESCRIBE_GROUPS):
            for is_asked in (True, False):
                values = {
                    "groups": [group, "unknown", ""],
                    "include_authorized_operations": is_asked,
                }
                sides.ask(DESCRIBE_GROUPS, of_describe, values)
                twice = {**values, "groups": [group, "unknown", group]}
                sides.ask(DESCRIBE_GROUPS, of_describe, twice)
        for of_list in versions_of(LIST_GROUPS):
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
                asked = {"states_filter": states, "types_filter": types}
                sides.ask(LIST_GROUPS, of_list, asked)
        names = {"groups_names": [group, "unknown", ""]}
        sides.ask(DELETE_GROUPS, version, names)
        sides.ask(DELETE_GROUPS, version, names)
        sides.ask(DELETE_GROUPS, version, {"groups_names": []})
        sides.ask(OFFSET_FETCH, 9, offset_fetch(group, every=True))

"""`ringlog groups`, as operators use it, on groups of real members."""

import json
import subprocess

import pytest

from tests.clients.adapters.confluent import ConfluentClient
from tests.clients.adapters.group_members import ConfluentMember
from tests.support.processes.processes import RINGLOG
from tests.support.waiting import eventually
from tests.support.wire.records import numbered


@pytest.fixture
def group(topic):
    return f"readers of {topic}"


@pytest.fixture
def ringlog(broker):
    """Runs `ringlog groups`; returns the exit status, stdout and stderr."""
    metadata = broker.grpc_address(broker.names[0])

    def run(*arguments):
        command = [RINGLOG, "groups", *arguments, "--metadata", metadata]
        completed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert "Traceback" not in completed.stderr, completed.stderr
        return completed.returncode, completed.stdout, completed.stderr

    return run


def describe(ringlog, group):
    status, out, err = ringlog("describe", group, "--json")
    assert status == 0, err
    return json.loads(out)


def test_a_group_is_listed_described_reset_and_deleted(ringlog, broker, topic, group):
    ConfluentClient().produce(broker.address, topic, numbered(20), partition=0)
    with ConfluentMember(broker.address, topic, group) as member:
        eventually(lambda: len(member.read) == 20, what="all records")
        eventually(lambda: describe(ringlog, group)["lag"] == 0, what="commits of all records")
        group_description = describe(ringlog, group)
        assert group_description["state"] == "Stable"
        (described_member,) = group_description["members"]
        assert described_member["partitions"] == [{"topic": topic, "partition": 0}]
        assert group_description["partitions"][0]["committed"] == 20
        status, out, err = ringlog("reset-offsets", group, "--topic", topic, "--to-earliest")
        assert (status, out) == (1, "")
        assert "Stable with 1 member; stop them first" in err
        assert ringlog("delete", group)[0] == 1

    status, out, _ = ringlog("list", "--state", "Empty")
    assert status == 0
    assert group in out
    reset = ("reset-offsets", group, "--topic", topic, "--to-offset", "15")
    assert ringlog(*reset)[0] == 0
    assert describe(ringlog, group)["lag"] == 0
    assert ringlog(*reset, "--execute")[0] == 0
    assert describe(ringlog, group)["lag"] == 5
    with ConfluentMember(broker.address, topic, group) as member:
        eventually(lambda: len(member.read) == 5, what="the records after the reset")
    assert [offset for _, offset in member.read] == list(range(15, 20))

    assert ringlog("delete", group)[0] == 0
    status, _, err = ringlog("describe", group)
    assert status == 1
    assert f"there is no group '{group}'" in err


def test_offsets_are_reset_to_a_timestamp(ringlog, broker, topic, group):
    ConfluentClient().produce(broker.address, topic, numbered(3), partition=0)
    arguments = ("reset-offsets", group, "--topic", f"{topic}:0", "--execute", "--to-datetime")
    assert ringlog(*arguments, "2001-01-01T00:00:00Z")[0] == 0
    assert describe(ringlog, group)["lag"] == 3
    assert ringlog(*arguments, "2999-01-01")[0] == 0
    assert describe(ringlog, group)["lag"] == 0

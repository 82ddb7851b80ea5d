"""Tests of the output and the exit status of `ringlog groups`."""

import json
from contextlib import asynccontextmanager

import pytest

from common.ports.unavailable import BackendUnavailable
from ringlog.cli.groups.command import main
from tests.unit.ringlog.cli.groups.group_samples import STABLE
from tests.unit.ringlog.cli.groups.test_admin import FakeCluster, admin

RESET = ["reset-offsets", "readers", "--topic", "orders", "--to-latest"]


def run(cluster, *arguments):
    connected = []

    @asynccontextmanager
    async def connect(address):
        connected.append(address)
        yield admin(cluster)

    status = main(arguments, environment={"RINGLOG_METADATA_ADDRESS": "m:1"}, connect=connect)
    assert connected == ["m:1"]
    return status


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["list"], "GROUP"),
        (["describe", "readers"], "readers: Empty"),
        (["delete", "readers"], "readers is deleted"),
        (RESET, "TOPIC"),
    ],
)
def test_results_are_text_or_json(capsys, arguments, start):
    assert run(FakeCluster(), *arguments) == 0
    assert capsys.readouterr().out.startswith(start)
    assert run(FakeCluster(), *arguments, "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_offsets_are_reset_only_with_execute(capsys):
    cluster = FakeCluster()
    assert run(cluster, *RESET) == 0
    assert not cluster.commits
    assert "repeat with --execute" in capsys.readouterr().out
    assert run(cluster, *RESET, "--execute") == 0
    assert len(cluster.commits[0].offsets) == 3
    assert capsys.readouterr().out.endswith("done\n")


@pytest.mark.parametrize("arguments", [RESET, ["delete", "readers"]])
def test_failure_is_reported_and_exits_with_1(capsys, arguments):
    assert run(FakeCluster(STABLE), *arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        captured.err
        == "ringlog groups: group 'readers' is Stable with 2 members; stop them first\n"
    )


def test_unavailable_cluster_is_reported(capsys):
    class Unreachable(FakeCluster):
        async def list_groups(self, request):
            raise BackendUnavailable("partition-0 ListGroups: UNAVAILABLE")

    assert run(Unreachable(), "list") == 1
    output = capsys.readouterr().err
    assert "the cluster of m:1 does not respond: partition-0 ListGroups: UNAVAILABLE" in output


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_list_shows_other_groups_if_a_member_is_unavailable(capsys, options):
    cluster = FakeCluster()
    cluster.list_reply.unanswered = ["partition-1"]
    assert run(cluster, "list", *options) == 1
    captured = capsys.readouterr()
    assert "readers" in captured.out
    assert captured.err == (
        "ringlog groups: the groups of partition-1 are missing, which did not respond\n"
    )


def test_interrupt_exits_with_130(capsys):
    class Interrupted(FakeCluster):
        async def list_groups(self, request):
            raise KeyboardInterrupt

    assert run(Interrupted(), "list") == 130
    assert "interrupted" in capsys.readouterr().err

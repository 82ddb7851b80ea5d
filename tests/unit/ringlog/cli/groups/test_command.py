"""What the command says, and with which status it ends."""

import json
from contextlib import asynccontextmanager

import pytest

from common.ports.unavailable import BackendUnavailable
from ringlog.cli.groups.command import main
from tests.unit.ringlog.cli.groups.group_samples import STABLE
from tests.unit.ringlog.cli.groups.test_admin import Told, admin

RESET = ["reset-offsets", "readers", "--topic", "orders", "--to-latest"]


def run(told, *words):
    asked = []

    @asynccontextmanager
    async def connect(address):
        asked.append(address)
        yield admin(told)

    status = main(words, environment={"RINGLOG_METADATA_ADDRESS": "m:1"}, connect=connect)
    assert asked == ["m:1"]
    return status


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list"], "GROUP"),
        (["describe", "readers"], "readers: Empty"),
        (["delete", "readers"], "readers is deleted"),
        (RESET, "TOPIC"),
    ],
)
def test_results_are_text_or_json(capsys, words, said):
    assert run(Told(), *words) == 0
    assert capsys.readouterr().out.startswith(said)
    assert run(Told(), *words, "--json") == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_offsets_are_reset_only_with_execute(capsys):
    told = Told()
    assert run(told, *RESET) == 0
    assert not told.commits
    assert "--execute does it" in capsys.readouterr().out
    assert run(told, *RESET, "--execute") == 0
    assert len(told.commits[0].offsets) == 3
    assert capsys.readouterr().out.endswith("done\n")


@pytest.mark.parametrize("words", [RESET, ["delete", "readers"]])
def test_a_failure_is_reported_and_exits_with_1(capsys, words):
    assert run(Told(STABLE), *words) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "ringlog groups: group 'readers' is Stable with 2 members; stop them first\n"


def test_a_cluster_that_does_not_answer_is_named(capsys):
    class Gone(Told):
        async def list_groups(self, request):
            raise BackendUnavailable("partition-0 ListGroups: UNAVAILABLE")

    assert run(Gone(), "list") == 1
    said = capsys.readouterr().err
    assert "no answer from the cluster of m:1: partition-0 ListGroups: UNAVAILABLE" in said


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_other_groups_are_listed_if_a_member_does_not_answer(capsys, form):
    told = Told()
    told.list_answer.unanswered = ["partition-1"]
    assert run(told, "list", *form) == 1
    said = capsys.readouterr()
    assert "readers" in said.out
    assert said.err == (
        "ringlog groups: groups coordinated by partition-1 are missing: no answer\n"
    )


def test_an_interrupt_ends_with_130(capsys):
    class Interrupted(Told):
        async def list_groups(self, request):
            raise KeyboardInterrupt

    assert run(Interrupted(), "list") == 130
    assert "interrupted" in capsys.readouterr().err

"""deploy/k8s/scale-down.sh, with a fake kubectl that records its arguments and can fail.

There is no API server: the tests check the commands of the script and their order.
"""

import json
import os
import stat
import subprocess

import pytest

from tests.deploy.admission import Guard
from tests.deploy.manifests import K8S

KUBECTL = """#!/usr/bin/env bash
echo "$*" >> "$COMMANDS"
case "$*" in
  *.spec.replicas*) echo 5 ;;
  *.metadata.generation*) echo 7 ;;
esac
if [ -n "$FAILING" ] && [[ "$*" == *"$FAILING"* ]]; then exit 1; fi
"""


@pytest.fixture
def scale_down(tmp_path):
    """Runs the script; returns the exit status and the kubectl commands other than `get`."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    log = tmp_path / "commands"

    def run(*arguments, failing=""):
        log.write_text("")
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "COMMANDS": str(log), "FAILING": failing}
        completed = subprocess.run(
            [str(K8S / "scale-down.sh"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = log.read_text().splitlines()
        return completed.returncode, [_shorten(line) for line in lines if " get " not in line]

    return run


def _shorten(line):
    return line.removeprefix("--namespace ringlog ").removeprefix(
        "exec statefulset/gateway --container gateway -- ringlog "
    )


def test_script_drains_the_last_members_checks_them_and_removes_them(scale_down):
    status, commands = scale_down("ringlog", "3")
    assert status == 0
    patch = commands.pop(4)
    assert commands == [
        "ring drain partition-4 --wait",
        "ring drain partition-3 --wait",
        "ring status --require-drained partition-4",
        "ring status --require-drained partition-3",
        "wait --for=delete pod/partition-4 --timeout=120s",
        "ring remove partition-4",
        "wait --for=delete pod/partition-3 --timeout=120s",
        "ring remove partition-3",
    ]
    assert patch.startswith("patch statefulset partition --type merge --patch ")


def test_guard_accepts_the_annotation_of_the_script(scale_down):
    _, commands = scale_down("ringlog", "3")
    patch = json.loads(commands[4].partition("--patch ")[2])
    assert patch["spec"]["replicas"] == 3
    assert Guard().update(5, 3, patch["metadata"]["annotations"]) is None


@pytest.mark.parametrize(
    "failing", ["drain partition-3", "--require-drained partition-3", "drain partition-4"]
)
def test_script_removes_nothing_if_a_command_fails(scale_down, failing):
    status, commands = scale_down("ringlog", "3", failing=failing)
    assert status != 0
    assert not [command for command in commands if "patch" in command or "remove" in command]


def test_script_does_nothing_if_there_are_no_more_replicas(scale_down):
    assert scale_down("ringlog", "5") == (0, [])
    assert scale_down("ringlog", "6") == (0, [])


@pytest.mark.parametrize("arguments", [[], ["ringlog"], ["ringlog", "0"], ["ringlog", "-1"]])
def test_script_exits_with_2_for_invalid_arguments(scale_down, arguments):
    assert scale_down(*arguments) == (2, [])

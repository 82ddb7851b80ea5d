"""deploy/k8s/scale-down.sh, against a kubectl that remembers what it was asked and can refuse.

There is no API server here: what the script asks for, and in which order, is what is shown.
"""

import json
import os
import stat
import subprocess

import pytest

from tests.deploy.admission import Guard
from tests.deploy.manifests import K8S

KUBECTL = """#!/usr/bin/env bash
echo "$*" >> "$ASKED"
case "$*" in
  *.spec.replicas*) echo 5 ;;
  *.metadata.generation*) echo 7 ;;
esac
if [ -n "$REFUSED" ] && [[ "$*" == *"$REFUSED"* ]]; then exit 1; fi
"""


@pytest.fixture
def scale_down(tmp_path):
    """Runs the script; the exit status, and what kubectl was asked for besides looking."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    asked = tmp_path / "asked"

    def run(*arguments, refused=""):
        asked.write_text("")
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "ASKED": str(asked), "REFUSED": refused}
        done = subprocess.run(
            [str(K8S / "scale-down.sh"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = asked.read_text().splitlines()
        return done.returncode, [_short(line) for line in lines if " get " not in line]

    return run


def _short(line):
    return line.removeprefix("--namespace ringlog ").removeprefix(
        "exec statefulset/gateway --container gateway -- ringlog "
    )


def test_the_last_ones_are_drained_then_proven_empty_then_taken_away(scale_down):
    status, asked = scale_down("ringlog", "3")
    assert status == 0
    patch = asked.pop(4)
    assert asked == [
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


def test_the_guard_takes_what_the_script_says(scale_down):
    _, asked = scale_down("ringlog", "3")
    patch = json.loads(asked[4].partition("--patch ")[2])
    assert patch["spec"]["replicas"] == 3
    assert Guard().update(5, 3, patch["metadata"]["annotations"]) is None


@pytest.mark.parametrize(
    "refused", ["drain partition-3", "--require-drained partition-3", "drain partition-4"]
)
def test_nothing_is_taken_away_where_one_is_not_drained(scale_down, refused):
    status, asked = scale_down("ringlog", "3", refused=refused)
    assert status != 0
    assert not [one for one in asked if "patch" in one or "remove" in one]


def test_nothing_is_done_where_there_are_no_more(scale_down):
    assert scale_down("ringlog", "5") == (0, [])
    assert scale_down("ringlog", "6") == (0, [])


@pytest.mark.parametrize("arguments", [[], ["ringlog"], ["ringlog", "0"], ["ringlog", "-1"]])
def test_it_says_how_it_is_used(scale_down, arguments):
    assert scale_down(*arguments) == (2, [])

"""Tests of groups as JSON."""

import json

from common.ports.classic_groups import ListedGroup, ListedGroups
from ringlog.cli.groups.as_json import describe_json, list_json, reset_json
from ringlog.cli.groups.report import classic_group, report
from ringlog.cli.groups.reset import OffsetChange
from tests.unit.ringlog.cli.groups.group_samples import COMMITTED, ENDS, STABLE


def test_list_json_has_groups_and_unanswered_members():
    listed = list_json(
        ListedGroups([ListedGroup("g", "consumer", "Stable", "classic")], unanswered=["p-1"])
    )
    assert listed.count("\n") == 1
    assert json.loads(listed) == {
        "groups": [
            {"group": "g", "state": "Stable", "type": "classic", "protocol_type": "consumer"}
        ],
        "unanswered": ["p-1"],
    }


def test_describe_json_has_members_and_partitions():
    group_report = report(classic_group(STABLE), COMMITTED, ENDS, coordinator="partition-1")
    parsed = json.loads(describe_json(group_report))
    assert {name: parsed[name] for name in ("group", "state", "assignor", "lag")} == {
        "group": "readers",
        "state": "Stable",
        "assignor": "range",
        "lag": 3,
    }
    assert parsed["members"][1]["partitions"] == [{"topic": "orders", "partition": 2}]
    assert parsed["partitions"][2] == {
        "topic": "orders",
        "partition": 0,
        "committed": 7,
        "end": 10,
        "member_id": "m-1",
        "lag": 3,
    }


def test_reset_json_has_the_planned_offsets():
    parsed = json.loads(reset_json([OffsetChange("t", 1, None, 5)], is_done=False))
    assert parsed["done"] is False
    assert parsed["partitions"] == [{"topic": "t", "partition": 1, "before": None, "after": 5}]

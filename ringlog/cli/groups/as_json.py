"""Consumer groups as JSON for scripts. Names stay across versions; new ones may come."""

import json
from collections.abc import Iterable
from typing import Any

from common.ports.classic_groups import ListedGroups
from ringlog.cli.groups.report import GroupReport, MemberReport, PartitionLag
from ringlog.cli.groups.reset import NewOffset


def list_json(listed: ListedGroups) -> str:
    """All groups, as one object on one line, and the members whose groups are missing."""
    return _line(
        {
            "groups": [
                {
                    "group": one.group_id,
                    "state": one.state,
                    "type": one.group_type,
                    "protocol_type": one.protocol_type,
                }
                for one in listed.groups
            ],
            "unanswered": list(listed.unanswered),
        }
    )


def describe_json(group: GroupReport) -> str:
    """One group with members, partitions and the sum of their lags."""
    return _line(
        {
            "group": group.group_id,
            "state": group.state,
            "assignor": group.assignor,
            "coordinator": group.coordinator,
            "lag": group.lag,
            "members": [_member(one) for one in group.members],
            "partitions": [_partition(one) for one in group.partitions],
        }
    )


def reset_json(offsets: Iterable[NewOffset], *, is_done: bool) -> str:
    """`done` is false where it was only shown what would be done."""
    return _line({"done": is_done, "partitions": [one._asdict() for one in offsets]})


def _member(one: MemberReport) -> dict[str, Any]:
    partitions = [{"topic": topic, "partition": index} for topic, index in one.partitions]
    return {**one._asdict(), "partitions": partitions}


def _partition(one: PartitionLag) -> dict[str, Any]:
    return {**one._asdict(), "lag": one.lag}


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value) + "\n"

"""Consumer groups as JSON for scripts. Later versions may add names, and change none."""

from collections.abc import Iterable
from typing import Any

from common.ports.classic_groups import ListedGroups
from ringlog.cli.groups.report import GroupMemberReport, GroupReport, PartitionLag
from ringlog.cli.groups.reset import OffsetChange
from ringlog.cli.output import json_line


def list_json(listed: ListedGroups) -> str:
    """Renders all groups, and the partition services whose groups are missing."""
    return json_line(
        {
            "groups": [
                {
                    "group": group.group_id,
                    "state": group.state,
                    "type": group.group_type,
                    "protocol_type": group.protocol_type,
                }
                for group in listed.groups
            ],
            "unanswered": list(listed.unanswered),
        }
    )


def describe_json(group: GroupReport) -> str:
    """Renders one group with members, partitions and the sum of their lags."""
    return json_line(
        {
            "group": group.group_id,
            "state": group.state,
            "assignor": group.assignor,
            "coordinator": group.coordinator,
            "lag": group.lag,
            "members": [_member(member) for member in group.members],
            "partitions": [_partition(partition) for partition in group.partitions],
        }
    )


def reset_json(changes: Iterable[OffsetChange], *, is_done: bool) -> str:
    """Renders a reset; `done` is false if nothing was committed."""
    return json_line({"done": is_done, "partitions": [change._asdict() for change in changes]})


def _member(member: GroupMemberReport) -> dict[str, Any]:
    partitions = [{"topic": topic, "partition": index} for topic, index in member.partitions]
    return {**member._asdict(), "partitions": partitions}


def _partition(partition: PartitionLag) -> dict[str, Any]:
    return {**partition._asdict(), "lag": partition.lag}

"""Consumer groups as text for people. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from common.ports.classic_groups import ListedGroup
from ringlog.cli.groups.report import GroupMemberReport, GroupReport, PartitionLag, TopicPartition
from ringlog.cli.groups.reset import OffsetChange
from ringlog.cli.output import text_table

_LIST_HEAD: Final = ("GROUP", "STATE", "TYPE", "PROTOCOL")
_MEMBER_HEAD: Final = ("MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS")
_LAG_HEAD: Final = ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER")
_RESET_HEAD: Final = ("TOPIC", "PARTITION", "COMMITTED", "NEW")


def list_text(groups: Sequence[ListedGroup]) -> str:
    if not groups:
        return "no groups\n"
    rows = (
        (group.group_id, group.state, group.group_type, group.protocol_type or "-")
        for group in groups
    )
    return text_table(_LIST_HEAD, rows)


def describe_text(group: GroupReport) -> str:
    """Renders a summary of the group, its members, and its lag in each partition."""
    words = [f"{group.group_id}: {group.state}", f"coordinator {group.coordinator}"]
    if group.assignor:
        words.append(f"assigned by {group.assignor}")
    words.append(f"lag {group.lag}")
    blocks = [", ".join(words) + "\n"]
    if group.members:
        blocks.append(text_table(_MEMBER_HEAD, map(_member_row, group.members)))
    if group.partitions:
        blocks.append(text_table(_LAG_HEAD, map(_lag_row, group.partitions)))
    return "\n".join(blocks)


def reset_text(changes: Iterable[OffsetChange], *, is_done: bool) -> str:
    rows = (
        (change.topic, str(change.partition), _number(change.before), str(change.after))
        for change in changes
    )
    outcome = "done" if is_done else "nothing was changed; repeat with --execute to change it"
    return f"{text_table(_RESET_HEAD, rows)}{outcome}\n"


def _member_row(member: GroupMemberReport) -> Sequence[str]:
    return (
        member.member_id,
        member.group_instance_id or "-",
        member.client_id or "-",
        member.client_host or "-",
        _partitions(member.partitions),
    )


def _lag_row(partition: PartitionLag) -> Sequence[str]:
    return (
        partition.topic,
        str(partition.partition),
        _number(partition.committed),
        _number(partition.end),
        _number(partition.lag),
        partition.member_id or "-",
    )


def _partitions(sorted_partitions: Sequence[TopicPartition]) -> str:
    """Renders, for instance, "orders:0,1 payments:3"."""
    by_topic = groupby(sorted_partitions, key=itemgetter(0))
    words = (f"{topic}:{','.join(str(index) for _, index in run)}" for topic, run in by_topic)
    return " ".join(words) or "-"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)

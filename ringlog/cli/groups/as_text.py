"""Consumer groups as text for people. Pure: values in, lines out."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from common.ports.classic_groups import ListedGroup
from ringlog.cli.groups.report import GroupReport, MemberReport, PartitionLag, TopicPartition
from ringlog.cli.groups.reset import NewOffset
from ringlog.cli.text_table import text_table

_LIST_HEAD: Final = ("GROUP", "STATE", "TYPE", "PROTOCOL")
_MEMBER_HEAD: Final = ("MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS")
_LAG_HEAD: Final = ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER")
_RESET_HEAD: Final = ("TOPIC", "PARTITION", "COMMITTED", "NEW")


def list_text(groups: Sequence[ListedGroup]) -> str:
    if not groups:
        return "no groups\n"
    rows = ((one.group_id, one.state, one.group_type, one.protocol_type or "-") for one in groups)
    return text_table(_LIST_HEAD, rows)


def describe_text(group: GroupReport) -> str:
    """The group in a line, its members, and how far it is in each partition."""
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


def reset_text(offsets: Iterable[NewOffset], *, is_done: bool) -> str:
    rows = ((one.topic, str(one.partition), _number(one.before), str(one.after)) for one in offsets)
    said = "done" if is_done else "nothing was changed; --execute does it"
    return f"{text_table(_RESET_HEAD, rows)}{said}\n"


def _member_row(one: MemberReport) -> Sequence[str]:
    return (
        one.member_id,
        one.group_instance_id or "-",
        one.client_id or "-",
        one.client_host or "-",
        _partitions(one.partitions),
    )


def _lag_row(one: PartitionLag) -> Sequence[str]:
    return (
        one.topic,
        str(one.partition),
        _number(one.committed),
        _number(one.end),
        _number(one.lag),
        one.member_id or "-",
    )


def _partitions(sorted_partitions: Sequence[TopicPartition]) -> str:
    """For instance "orders:0,1 payments:3"."""
    by_topic = groupby(sorted_partitions, key=lambda one: one[0])
    words = (f"{topic}:{','.join(str(where[1]) for where in some)}" for topic, some in by_topic)
    return " ".join(words) or "-"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)

"""Calls to a group that raise an exception after any number of lines."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import partition_svc.coordinator
from common.ports.group_offsets import FetchOffsets
from partition_svc.coordinator.group.group import Group

_CODE = str(Path(partition_svc.coordinator.__file__).parent)


class Interrupted(Exception):
    """Raised in a call by `interrupted_after`."""


@contextmanager
def interrupted_after(lines: int) -> Iterator[None]:
    """Raises `Interrupted` once `lines` more lines of the coordinator have begun."""
    left = lines

    def on_line(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal left
        left -= event == "line"
        if left < 0:
            raise Interrupted
        return on_line

    def on_call(frame: FrameType, event: str, arg: Any) -> Any:
        return on_line if frame.f_code.co_filename.startswith(_CODE) else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield
    finally:
        sys.settrace(before)


def observable_state(group: Group) -> tuple[Any, ...]:
    """Returns the observable state of a group, with members and offsets sorted."""
    consumer = group.describe_consumer()
    consumer.members = sorted(consumer.members, key=lambda member: member.member_id)
    ((_, fetched),) = group.fetch(FetchOffsets("g"), "t", 0).replies
    offsets = sorted(map(repr, fetched.offsets))
    return group.describe(), consumer, offsets, group.as_listed_group(), group.next_deadline

"""Waiting for changes of the ring: describes it again and again, and reports the progress."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, TypeAlias

from common.ports.moves import RingDescription, RingMember, RingState
from common.ports.unavailable import BackendUnavailable
from ringlog.cli.actions import CommandFailed
from ringlog.cli.ring.as_text import drain_line, progress_line

_POLL_S: Final = 0.5


class Describes(Protocol):
    """The part of the ring's port that waiting needs."""

    async def describe_ring(self) -> RingDescription: ...


#: Returns a line of progress, and true if the wait is over.
_Check: TypeAlias = Callable[[RingDescription], tuple[str, bool]]


async def wait_until_drained(
    ring: Describes, name: str, report: Callable[[str], None], *, timeout_s: float | None
) -> None:
    """Returns when a member holds no partition, or is no longer in the ring.

    Raises:
        CommandFailed: the member was added again, or it takes longer than `timeout_s`.
    """

    def check(description: RingDescription) -> tuple[str, bool]:
        member = find_member(description, name)
        if member is None:
            return f"{name}: removed", True
        if member.state is RingState.JOINED:
            raise CommandFailed(f"{name} was added to the ring again")
        if member.state is RingState.DRAINED:
            return f"{name}: DRAINED", True
        return drain_line(member, description), False

    await _wait_until(ring, check, report, timeout_s)


async def wait_until_settled(
    ring: Describes, report: Callable[[str], None], *, timeout_s: float | None
) -> None:
    """Returns when nothing moves and nothing waits to be moved.

    Raises:
        CommandFailed: it takes longer than `timeout_s`.
    """

    def check(description: RingDescription) -> tuple[str, bool]:
        return progress_line(description), is_settled(description)

    await _wait_until(ring, check, report, timeout_s)


def is_settled(ring: RingDescription) -> bool:
    """True if every partition is where the ring places it."""
    return not ring.moves and not ring.waiting_moves and not ring.is_rebalancing


def find_member(ring: RingDescription, name: str) -> RingMember | None:
    return next((member for member in ring.members if member.name == name), None)


async def _wait_until(
    ring: Describes, check: _Check, report: Callable[[str], None], timeout_s: float | None
) -> None:
    """Reports each line of `check` that differs from the one before."""
    reported = ""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                # A restart of the metadata service ends no move, and so it ends no wait.
                with suppress(BackendUnavailable):
                    line, is_done = check(await ring.describe_ring())
                    if line != reported:
                        report(line)
                    reported = line
                    if is_done:
                        return
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        last = f": {reported}" if reported else ""
        raise CommandFailed(f"not within {timeout_s} s{last}") from None

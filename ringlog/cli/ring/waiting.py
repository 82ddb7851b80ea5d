"""Waiting for what the ring was asked for: looks again and again, and tells how far it is."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from common.ports.moves import RingDescription, RingMember, RingState
from common.ports.unavailable import BackendUnavailable
from ringlog.cli.ring.as_text import drain_line, progress_line

_LOOK_EVERY_S: Final = 0.5


class DidNotHappen(Exception):
    """What was waited for cannot come any more, or did not within the time. The text says why."""


class Describes(Protocol):
    """The part of the ring's port that waiting needs."""

    async def describe_ring(self) -> RingDescription: ...


#: What to tell now, and whether it is done.
Look = Callable[[RingDescription], tuple[str, bool]]


async def until_drained(
    ring: Describes, name: str, tell: Callable[[str], None], *, within_s: float | None
) -> None:
    """Until a member holds nothing, or was taken out of the ring altogether.

    Raises:
        DidNotHappen: the member was added again, or it takes longer than `within_s` seconds.
    """

    def look(now: RingDescription) -> tuple[str, bool]:
        member = member_of(now, name)
        if member is None:
            return f"{name}: removed", True
        if member.state is RingState.JOINED:
            raise DidNotHappen(f"{name} was added to the ring again")
        if member.state is RingState.DRAINED:
            return f"{name}: DRAINED", True
        return drain_line(member, now), False

    await _until(ring, look, tell, within_s)


async def until_settled(
    ring: Describes, tell: Callable[[str], None], *, within_s: float | None
) -> None:
    """Until nothing moves and nothing waits to be moved. Raises as `until_drained`."""

    def look(now: RingDescription) -> tuple[str, bool]:
        return progress_line(now), is_settled(now)

    await _until(ring, look, tell, within_s)


def is_settled(ring: RingDescription) -> bool:
    """Whether every partition is where it should be."""
    return not ring.moves and not ring.waiting_moves and not ring.is_rebalancing


def member_of(ring: RingDescription, name: str) -> RingMember | None:
    return next((one for one in ring.members if one.name == name), None)


async def _until(
    ring: Describes, look: Look, tell: Callable[[str], None], within_s: float | None
) -> None:
    told = ""
    try:
        async with asyncio.timeout(within_s):
            while True:
                # A metadata service that restarts does not end a move, so it ends no waiting.
                with suppress(BackendUnavailable):
                    line, is_done = look(await ring.describe_ring())
                    if line != told:
                        tell(line)
                    told = line
                    if is_done:
                        return
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        last = f": {told}" if told else ""
        raise DidNotHappen(f"not within {within_s} s{last}") from None

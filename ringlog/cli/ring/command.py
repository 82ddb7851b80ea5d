"""`ringlog ring`: looks at the ring of partition services and changes it.

Results go to stdout, progress and errors to stderr, so that scripts can read the one without the
other.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from common.ports.moves import Ring, RingDescription, RingRefusal, RingResult, RingState
from common.ports.unavailable import BackendUnavailable
from common.rpc.leader import open_leader_channel
from common.rpc.ring_client import GrpcRing
from ringlog.cli.ring.arguments import ring_parser
from ringlog.cli.ring.as_json import moves_json, result_json, status_json
from ringlog.cli.ring.as_text import lost_text, moves_text, status_text
from ringlog.cli.ring.waiting import DidNotHappen, member_of, until_drained, until_settled

#: As shells tell of a process that was interrupted.
_INTERRUPTED: Final = 130

_REMOVE_LOST: Final = "ringlog ring remove {} --accept-data-loss"

Connect = Callable[[str], AbstractAsyncContextManager[Ring]]


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Ring]:
    async with open_leader_channel(address) as channel:
        yield GrpcRing(channel)


def main(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] = os.environ,
    connect: Connect = _connected,
) -> int:
    """The exit status: 0 done, 1 not done; wrong use ends it with 2."""
    options = ring_parser(environment).parse_args(arguments)
    try:
        return asyncio.run(_run(options, connect))
    except KeyboardInterrupt:
        _tell("interrupted; what the ring was asked for goes on")
        return _INTERRUPTED


async def _run(options: argparse.Namespace, connect: Connect) -> int:
    try:
        async with connect(options.metadata) as ring:
            return await _ACTIONS[options.action](ring, options)
    except BackendUnavailable as error:
        _tell(f"no answer from {options.metadata}: {error}")
    except DidNotHappen as error:
        _tell(str(error))
    return 1


async def _status(ring: Ring, options: argparse.Namespace) -> int:
    now = await ring.describe_ring()
    sys.stdout.write(status_json(now) if options.json else status_text(now))
    if options.require_drained is None:
        return 0
    return _require_drained(now, options.require_drained)


def _require_drained(now: RingDescription, name: str) -> int:
    member = member_of(now, name)
    if member is None:
        _tell(f"{name} is not known")
        return 1
    if member.state is RingState.DRAINED or (
        member.state is RingState.OUTSIDE and not member.partitions
    ):
        return 0
    _tell(f"{name} is {member.state.name} and holds {member.partitions} partitions")
    return 1


async def _moves(ring: Ring, options: argparse.Namespace) -> int:
    if options.wait:
        await until_settled(ring, _tell, within_s=options.timeout)
    now = await ring.describe_ring()
    sys.stdout.write(moves_json(now) if options.json else moves_text(now))
    return 0


async def _add(ring: Ring, options: argparse.Namespace) -> int:
    result = await ring.add_member(options.name)
    status = _told(result, f"{options.name} is in the ring", options)
    if not status and options.wait:
        await until_settled(ring, _tell, within_s=options.timeout)
    return status


async def _drain(ring: Ring, options: argparse.Namespace) -> int:
    result = await ring.drain_member(options.name)
    status = _told(result, f"{options.name} is being drained", options)
    if not status and options.wait:
        await until_drained(ring, options.name, _tell, within_s=options.timeout)
    return status


async def _remove(ring: Ring, options: argparse.Namespace) -> int:
    accepts = options.accept_data_loss
    result = await ring.remove_member(options.name, accept_data_loss=accepts)
    if result.lost and not options.json:
        sys.stdout.write(lost_text(result.lost))
    status = _told(result, f"{options.name} is forgotten", options)
    if result.refusal is RingRefusal.NOT_EMPTY:
        _tell(f"if its volume is lost for good: {_REMOVE_LOST.format(options.name)}")
    return status


async def _accept(ring: Ring, options: argparse.Namespace) -> int:
    result = await ring.accept_volume(options.name)
    return _told(result, f"the next volume of {options.name} is let in", options)


async def _cancel(ring: Ring, options: argparse.Namespace) -> int:
    result = await ring.cancel_move(options.move_id)
    return _told(result, f"move {options.move_id} is rolled back", options)


def _told(result: RingResult, done: str, options: argparse.Namespace) -> int:
    """Says what became of a change, and returns the exit status."""
    if options.json:
        sys.stdout.write(result_json(result))
    if result.refusal is not None:
        _tell(result.message or result.refusal.name)
        return 1
    if not options.json:
        sys.stdout.write(f"{done}\n")
    return 0


def _tell(line: str) -> None:
    sys.stderr.write(f"ringlog ring: {line}\n")
    sys.stderr.flush()


_ACTIONS: Final = {
    "status": _status,
    "add": _add,
    "drain": _drain,
    "remove": _remove,
    "moves": _moves,
    "cancel": _cancel,
    "accept": _accept,
}

"""`ringlog ring`: shows the ring of partition services and changes it."""

import argparse
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from common.ports.moves import Ring, RingDescription, RingRefusal, RingResult, RingState
from common.rpc.leader import open_leader_channel
from common.rpc.ring_client import GrpcRing
from ringlog.cli.actions import Actions, CommandFailed, Connect, Console, run_action
from ringlog.cli.ring.arguments import ring_parser
from ringlog.cli.ring.as_json import moves_json, result_json, status_json
from ringlog.cli.ring.as_text import lost_text, moves_text, status_text
from ringlog.cli.ring.waiting import find_member, wait_until_drained, wait_until_settled

_REMOVE_LOST: Final = "ringlog ring remove {} --accept-data-loss"

_CONSOLE: Final = Console("ring")


@asynccontextmanager
async def _connect(address: str) -> AsyncIterator[Ring]:
    async with open_leader_channel(address) as channel:
        yield GrpcRing(channel)


def main(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] = os.environ,
    connect: Connect[Ring] = _connect,
) -> int:
    """Returns the exit status: 0 done, 1 not done; wrong use ends the process with 2."""
    options = ring_parser(environment).parse_args(arguments)
    return run_action(
        _CONSOLE,
        options,
        connect,
        _ACTIONS,
        if_interrupted="interrupted; requested changes of the ring continue",
    )


async def _status(ring: Ring, options: argparse.Namespace) -> int:
    description = await ring.describe_ring()
    sys.stdout.write(status_json(description) if options.json else status_text(description))
    if options.require_drained is not None:
        _require_drained(description, options.require_drained)
    return 0


def _require_drained(description: RingDescription, name: str) -> None:
    member = find_member(description, name)
    if member is None:
        raise CommandFailed(f"{name} is not a known member")
    is_unused = member.state is RingState.OUTSIDE and not member.partitions
    if member.state is not RingState.DRAINED and not is_unused:
        raise CommandFailed(
            f"{name} is {member.state.name} and holds {member.partitions} partitions"
        )


async def _moves(ring: Ring, options: argparse.Namespace) -> int:
    if options.wait:
        await wait_until_settled(ring, _CONSOLE.report, timeout_s=options.timeout)
    description = await ring.describe_ring()
    sys.stdout.write(moves_json(description) if options.json else moves_text(description))
    return 0


async def _add(ring: Ring, options: argparse.Namespace) -> int:
    result = await ring.add_member(options.name)
    status = _finish(result, f"{options.name} is in the ring", options)
    if not status and options.wait:
        await wait_until_settled(ring, _CONSOLE.report, timeout_s=options.timeout)
    return status


async def _drain(ring: Ring, options: argparse.Namespace) -> int:
    result = await ring.drain_member(options.name)
    status = _finish(result, f"{options.name} is being drained", options)
    if not status and options.wait:
        await wait_until_drained(ring, options.name, _CONSOLE.report, timeout_s=options.timeout)
    return status


async def _remove(ring: Ring, options: argparse.Namespace) -> int:
    result = await ring.remove_member(options.name, accept_data_loss=options.accept_data_loss)
    if result.lost and not options.json:
        sys.stdout.write(lost_text(result.lost))
    status = _finish(result, f"{options.name} is removed", options)
    if result.refusal is RingRefusal.NOT_EMPTY:
        _CONSOLE.report(f"if its volume is permanently lost: {_REMOVE_LOST.format(options.name)}")
    return status


async def _accept(ring: Ring, options: argparse.Namespace) -> int:
    result = await ring.accept_volume(options.name)
    return _finish(result, f"the next volume of {options.name} will be accepted", options)


async def _cancel(ring: Ring, options: argparse.Namespace) -> int:
    result = await ring.cancel_move(options.move_id)
    return _finish(result, f"move {options.move_id} is rolled back", options)


def _finish(result: RingResult, done: str, options: argparse.Namespace) -> int:
    """Prints the outcome of a change and returns the exit status."""
    if options.json:
        sys.stdout.write(result_json(result))
    if result.refusal is not None:
        _CONSOLE.report(result.message or result.refusal.name)
        return 1
    if not options.json:
        sys.stdout.write(f"{done}\n")
    return 0


_ACTIONS: Final[Actions[Ring]] = {
    "status": _status,
    "add": _add,
    "drain": _drain,
    "remove": _remove,
    "moves": _moves,
    "cancel": _cancel,
    "accept": _accept,
}

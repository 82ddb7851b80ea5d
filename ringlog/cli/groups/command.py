"""`ringlog groups`: lists and describes consumer groups, resets their offsets, deletes them."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from ringlog.cli.actions import Actions, CommandFailed, Connect, Console, run_action
from ringlog.cli.groups.admin import GroupsAdmin
from ringlog.cli.groups.arguments import groups_parser
from ringlog.cli.groups.as_json import describe_json, list_json, reset_json
from ringlog.cli.groups.as_text import describe_text, list_text, reset_text
from ringlog.cli.groups.connection import open_groups


def main(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] = os.environ,
    connect: Connect[GroupsAdmin] = open_groups,
) -> int:
    """Returns the exit status: 0 done, 1 not done; wrong use ends the process with 2."""
    options = groups_parser(environment).parse_args(arguments)
    return run_action(Console("groups"), options, connect, _ACTIONS)


async def _list(groups: GroupsAdmin, options: argparse.Namespace) -> int:
    listed = await groups.list_groups(options.state)
    sys.stdout.write(list_json(listed) if options.json else list_text(listed.groups))
    if listed.unanswered:
        members = ", ".join(listed.unanswered)
        raise CommandFailed(f"the groups of {members} are missing, which did not respond")
    return 0


async def _describe(groups: GroupsAdmin, options: argparse.Namespace) -> int:
    group = await groups.describe(options.group)
    sys.stdout.write(describe_json(group) if options.json else describe_text(group))
    return 0


async def _reset_offsets(groups: GroupsAdmin, options: argparse.Namespace) -> int:
    await groups.require_no_members(options.group)
    name, partitions = options.topic
    changes = await groups.plan_reset(options.group, name, partitions, options.target)
    if options.execute:
        await groups.reset(options.group, changes)
    render = reset_json if options.json else reset_text
    sys.stdout.write(render(changes, is_done=options.execute))
    return 0


async def _delete(groups: GroupsAdmin, options: argparse.Namespace) -> int:
    await groups.delete(options.group)
    sys.stdout.write("{}\n" if options.json else f"{options.group} is deleted\n")
    return 0


_ACTIONS: Final[Actions[GroupsAdmin]] = {
    "list": _list,
    "describe": _describe,
    "reset-offsets": _reset_offsets,
    "delete": _delete,
}

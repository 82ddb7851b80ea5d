"""`ringlog groups`: looks at consumer groups, sets where they go on, forgets them.

Results go to stdout, errors to stderr, as those of `ringlog ring`.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

from common.ports.unavailable import BackendUnavailable
from ringlog.cli.groups.admin import GroupsAdmin, NotDone
from ringlog.cli.groups.arguments import groups_parser
from ringlog.cli.groups.as_json import describe_json, list_json, reset_json
from ringlog.cli.groups.as_text import describe_text, list_text, reset_text
from ringlog.cli.groups.connection import open_groups

#: As shells tell of a process that was interrupted.
_INTERRUPTED: Final = 130


class _Incomplete(Exception):
    """A result that lacks something. The text says what, and why."""

    def __init__(self, result: str, missing: str) -> None:
        super().__init__(missing)
        self.result = result


Connect = Callable[[str], AbstractAsyncContextManager[GroupsAdmin]]


def main(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] = os.environ,
    connect: Connect = open_groups,
) -> int:
    """The exit status: 0 done, 1 not done; wrong use ends it with 2."""
    options = groups_parser(environment).parse_args(arguments)
    try:
        return asyncio.run(_run(options, connect))
    except KeyboardInterrupt:
        _tell("interrupted")
        return _INTERRUPTED


async def _run(options: argparse.Namespace, connect: Connect) -> int:
    try:
        async with connect(options.metadata) as groups:
            sys.stdout.write(await _ACTIONS[options.action](groups, options))
            return 0
    except _Incomplete as error:
        sys.stdout.write(error.result)
        _tell(str(error))
    except BackendUnavailable as error:
        _tell(f"no answer from the cluster of {options.metadata}: {error}")
    except NotDone as error:
        _tell(str(error))
    return 1


async def _list(groups: GroupsAdmin, options: argparse.Namespace) -> str:
    found = await groups.listed(options.state)
    result = list_json(found) if options.json else list_text(found.groups)
    if found.unanswered:
        members = ", ".join(found.unanswered)
        raise _Incomplete(result, f"groups coordinated by {members} are missing: no answer")
    return result


async def _describe(groups: GroupsAdmin, options: argparse.Namespace) -> str:
    found = await groups.describe(options.group)
    return describe_json(found) if options.json else describe_text(found)


async def _reset_offsets(groups: GroupsAdmin, options: argparse.Namespace) -> str:
    await groups.must_be_without_members(options.group)
    name, partitions = options.topic
    offsets = await groups.plan_reset(options.group, name, partitions, options.target)
    if options.execute:
        await groups.reset(options.group, offsets)
    as_text = reset_json if options.json else reset_text
    return as_text(offsets, is_done=options.execute)


async def _delete(groups: GroupsAdmin, options: argparse.Namespace) -> str:
    await groups.delete(options.group)
    return "{}\n" if options.json else f"{options.group} is forgotten\n"


def _tell(line: str) -> None:
    sys.stderr.write(f"ringlog groups: {line}\n")
    sys.stderr.flush()


_ACTIONS: Final = {
    "list": _list,
    "describe": _describe,
    "reset-offsets": _reset_offsets,
    "delete": _delete,
}

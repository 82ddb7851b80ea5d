"""Named places where a test stops or kills a process that is otherwise the real one.

`FAILPOINTS="move.target.fence=kill move.source.fence=/path"` in the environment: the process kills
itself with SIGKILL where it reaches the first, and stays at the second for as long as the file is
there. Without the variable a place costs one look into an empty dictionary.
"""

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_HOLD_POLL_S: Final = 0.01


def _wanted(text: str) -> dict[str, str]:
    return dict(one.split("=", 1) for one in text.split())


_WANTED: Final = _wanted(os.environ.get("FAILPOINTS", ""))


async def reach(name: str) -> None:
    """The process is at the place called `name`."""
    action = _WANTED.get(name)
    if action is None:
        return
    log.warning("failpoint %s", name)
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    while Path(action).exists():  # noqa: ASYNC110, ASYNC240 - nobody tells us when a file goes
        await asyncio.sleep(_HOLD_POLL_S)

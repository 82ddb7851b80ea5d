"""Named failpoints at which a test kills or holds a process that is otherwise the real one.

`FAILPOINTS="move.target.fence=kill move.source.fence=/path"` in the environment: the process kills
itself with SIGKILL at the first, and waits at the second as long as the file exists. Without the
variable a failpoint costs one lookup in an empty dictionary.
"""

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_POLL_S: Final = 0.01


def _parse(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split())


_ACTIONS: Final = _parse(os.environ.get("FAILPOINTS", ""))


async def reach(name: str) -> None:
    """Performs the action for the failpoint `name`, if there is one."""
    action = _ACTIONS.get(name)
    if action is None:
        return
    log.warning("failpoint %s", name)
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    while Path(action).exists():  # noqa: ASYNC110, ASYNC240 - nothing notifies of its removal
        await asyncio.sleep(_POLL_S)

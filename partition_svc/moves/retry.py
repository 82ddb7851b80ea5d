"""Retries of a move's steps: the other member may restart, a disk may be full for a while.

A bug in one move affects one log: it must not end a process that serves others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from common.ports.unavailable import BackendUnavailable
from common.records.errors import CorruptRecords
from common.runtime.backoff import Backoff
from partition_svc.log.transfer.incoming import NoRoom
from partition_svc.log.transfer.outgoing import NotMoveSource
from partition_svc.store.failures import StorageFailed

log = logging.getLogger(__name__)

#: First and longest delay after a retriable failure.
_RETRY_S_FIRST: Final = 0.02
_RETRY_S_MAX: Final = 1.0
#: Delays after a bug: each attempt may copy much data, and logs a traceback.
_BUG_RETRY_S_FIRST: Final = 1.0
_BUG_RETRY_S_MAX: Final = 60.0

_RETRIABLE: Final = (BackendUnavailable, CorruptRecords, NoRoom, NotMoveSource, StorageFailed)


class _Failure(NamedTuple):
    """The reason as text: an exception would keep a failed database open."""

    reason: str
    is_bug: bool


async def retry_until_done(
    action: str,
    attempt: Callable[[], Awaitable[None]],
    *,
    on_failure: Callable[[str], None] = lambda _reason: None,
) -> None:
    """Calls `attempt` until it succeeds or the caller cancels it.

    `action` names it in log lines. `on_failure` receives the reason of each failure.
    """
    backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
    bug_backoff = Backoff(_BUG_RETRY_S_FIRST, _BUG_RETRY_S_MAX)
    before: _Failure | None = None
    while (failure := await _failure_of(action, attempt)) is not None:
        on_failure(failure.reason)
        if failure.is_bug:
            delay_s = bug_backoff.next_s()
            backoff.skip_to_max()
        else:
            # One line for consecutive failures of one reason.
            if failure != before:
                log.warning("%s failed, retrying: %s", action, failure.reason)
            delay_s = backoff.next_s()
        before = failure
        await asyncio.sleep(delay_s)


async def _failure_of(action: str, attempt: Callable[[], Awaitable[None]]) -> _Failure | None:
    try:
        await attempt()
    except _RETRIABLE as error:
        return _Failure(f"{type(error).__name__} {error}", is_bug=False)
    except Exception as bug:
        log.exception("%s failed with a bug, retrying", action)
        return _Failure(repr(bug), is_bug=True)
    return None

"""Trying again what may fail for a while: the other member restarts, a disk is full.

A bug in one move is one log's affair: it must not end a process that serves others.
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

#: The first and the longest delay after a failure that passes.
_RETRY_S_FIRST: Final = 0.02
_RETRY_S_MAX: Final = 1.0
#: After a bug, which hardly passes: each attempt may copy much, and writes its traceback.
_BUG_RETRY_S_FIRST: Final = 1.0
_BUG_RETRY_S_MAX: Final = 60.0

_PASSING: Final = (BackendUnavailable, CorruptRecords, NoRoom, NotMoveSource, StorageFailed)


class _Failure(NamedTuple):
    """Words only: the error would hold on to a failed database."""

    reason: str
    is_bug: bool


async def keep_trying(
    what: str,
    attempt: Callable[[], Awaitable[None]],
    *,
    on_failure: Callable[[str], None] = lambda _reason: None,
) -> None:
    """Calls `attempt` until it succeeds; the caller cancels what never will.

    `on_failure` is told why an attempt failed.
    """
    backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
    bug_backoff = Backoff(_BUG_RETRY_S_FIRST, _BUG_RETRY_S_MAX)
    before: _Failure | None = None
    while (failure := await _failure_of(what, attempt)) is not None:
        on_failure(failure.reason)
        if failure.is_bug:
            delay_s = bug_backoff.next_s()
            backoff.skip_to_max()
        else:
            # One line for each reason in a row.
            if failure != before:
                log.warning("%s: %s; trying again", what, failure.reason)
            delay_s = backoff.next_s()
        before = failure
        await asyncio.sleep(delay_s)


async def _failure_of(what: str, attempt: Callable[[], Awaitable[None]]) -> _Failure | None:
    try:
        await attempt()
    except _PASSING as error:
        return _Failure(f"{type(error).__name__} {error}", is_bug=False)
    except Exception as bug:
        log.exception("%s failed by a bug; trying again", what)
        return _Failure(repr(bug), is_bug=True)
    return None

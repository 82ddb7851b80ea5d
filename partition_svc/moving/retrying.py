"""Trying again what may fail for a while: the other member restarts, a disk is full."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from common.ports.unavailable import BackendUnavailable
from common.records.errors import CorruptRecords
from partition_svc.log.outgoing import NotSource
from partition_svc.store.failures import StorageFailed

log = logging.getLogger(__name__)

_PAUSE_S_MIN: Final = 0.02
_PAUSE_S_MAX: Final = 1.0

_PASSING: Final = (BackendUnavailable, CorruptRecords, NotSource, StorageFailed)


async def keep_trying(what: str, attempt: Callable[[], Awaitable[None]]) -> None:
    """Until an attempt succeeds. Whoever knows that it never will cancels it."""
    pause_s = _PAUSE_S_MIN
    before = ""
    while (failure := await _failure_of(attempt)) is not None:
        # One line for each reason in a row.
        if failure != before:
            log.warning("%s: %s; trying again", what, failure)
        before = failure
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _PAUSE_S_MAX)


async def _failure_of(attempt: Callable[[], Awaitable[None]]) -> str | None:
    """Only words: whoever held on to the error would hold on to a failed database."""
    try:
        await attempt()
    except _PASSING as error:
        return f"{type(error).__name__} {error}"
    return None

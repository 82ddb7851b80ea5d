"""Keeps a process's picture of the cluster current: watch, apply, acknowledge, watch again.

Gateways and partition services run this for as long as they live; being watched by it is what makes
them registered. Knows neither what is done with a change nor whether a network lies in between.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from common.ports.metadata import ClusterChange, Metadata, Registration, Watch
from common.ports.unavailable import BackendUnavailable
from common.runtime.backoff import Backoff

log = logging.getLogger(__name__)

#: Applies a change. Awaited where it returns something to await: the change counts as applied then.
OnChange = Callable[[ClusterChange], Awaitable[None] | None]

OnWatch = Callable[[Watch], None]


#: How often the log says again that the metadata service is lost.
_REMIND_S: Final = 60.0

#: The first and the longest delay before the next attempt, and their jitter: after a restart of the
#: metadata service all processes return at the same moment.
_RETRY_S_FIRST: Final = 0.1
_RETRY_S_MAX: Final = 5.0
_JITTER: Final = 0.5


async def follow(
    metadata: Metadata,
    registration: Registration | Callable[[], Registration],
    on_change: OnChange,
    *,
    on_watch: OnWatch | None = None,
    backoff: Backoff | None = None,
) -> NoReturn:
    """Registers, and hands every change to `on_change` in order; runs until it is cancelled.

    A `registration` that changes while the process runs is given as a function, called for each
    watch. `on_watch` gets each watch before its first change, to report through it.
    A lost watch is begun again, after the next delay of `backoff`; the next change is a snapshot
    then. Meanwhile what was applied stays in use. An exception of
    `on_change` comes out of here: a process that cannot apply a change must not go on as if it had.

    Raises:
        RegistrationRefused: asking again would not help.
    """
    pauses = _Pauses(backoff or Backoff(_RETRY_S_FIRST, _RETRY_S_MAX, jitter=_JITTER))
    while True:
        watch = metadata.watch(registration() if callable(registration) else registration)
        if on_watch is not None:
            on_watch(watch)
        reason = await _watch_once(watch, on_change, pauses)
        await pauses.wait(reason)


async def _watch_once(watch: Watch, on_change: OnChange, pauses: "_Pauses") -> str:
    """Follows one watch to its end and says why it ended."""
    try:
        async for change in watch:
            applying = on_change(change)
            if applying is not None:
                await applying
            watch.acknowledge(change.revision)
            pauses.on_progress(change.revision)
    except BackendUnavailable as error:
        return str(error)
    finally:
        await watch.close()
    return "the metadata service ended the watch"


class _Pauses:
    """How long to wait before the next attempt, and log lines for each outage and its end."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._is_outage = False
        self._remind_at = 0.0
        self._connected_at: float | None = None

    def on_progress(self, revision: int) -> None:
        if self._connected_at is None:
            self._connected_at = asyncio.get_running_loop().time()
        if self._is_outage:
            self._is_outage = False
            log.info("metadata service is back, revision %d", revision)

    async def wait(self, reason: str) -> None:
        self._log(reason)
        if self._was_steady():
            self._backoff.reset()
        self._connected_at = None
        await asyncio.sleep(self._backoff.next_s())

    def _log(self, reason: str) -> None:
        now = asyncio.get_running_loop().time()
        if not self._is_outage:
            self._is_outage = True
            log.warning("metadata service lost: %s", reason)
        elif now >= self._remind_at:
            log.warning(
                "metadata service still lost: %s (look at its log, and whether metadata.address"
                " leads to it)",
                reason,
            )
        else:
            return
        self._remind_at = now + _REMIND_S

    def _was_steady(self) -> bool:
        """Two processes that take one registration from each other must not do so at full speed.

        So a short-lived watch does not shorten the next pause, however well it began.
        """
        if self._connected_at is None:
            return False
        return asyncio.get_running_loop().time() - self._connected_at >= self._backoff.max_s

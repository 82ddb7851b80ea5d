"""Following the cluster's changes: watch, apply, acknowledge, and watch again after a loss.

Gateways and partition services run this for their whole life; they are registered as long as the
watch lasts. Knows neither what a change is applied to nor whether the watch is remote.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from common.ports.metadata import ClusterChange, Metadata, Registration, Watch
from common.ports.unavailable import BackendUnavailable
from common.runtime.backoff import Backoff

log = logging.getLogger(__name__)

#: Applies a change. If it returns an awaitable, the change is acknowledged after that.
OnChange = Callable[[ClusterChange], Awaitable[None] | None]

#: Gets each new watch.
OnWatch = Callable[[Watch], None]

#: How often the log repeats that the metadata service is lost.
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
    """Registers, and calls `on_change` for every change in order; runs until it is cancelled.

    A `registration` that changes while the process runs is a function, which is called for each
    watch. `on_watch` gets each watch before its first change, to send reports through it.
    A lost watch is replaced after the next delay of `backoff`; its first change is a snapshot.
    Exceptions of `on_change` are raised: a process that cannot apply a change must not continue
    as if it had.

    Raises:
        RegistrationRefused: a retry would not help.
    """
    outages = _Outages(backoff or Backoff(_RETRY_S_FIRST, _RETRY_S_MAX, jitter=_JITTER))
    while True:
        watch = metadata.watch(registration() if callable(registration) else registration)
        if on_watch is not None:
            on_watch(watch)
        reason = await _watch_once(watch, on_change, outages)
        await outages.wait(reason)


async def _watch_once(watch: Watch, on_change: OnChange, outages: "_Outages") -> str:
    """Follows one watch to its end; returns the reason of the end."""
    try:
        async for change in watch:
            applying = on_change(change)
            if applying is not None:
                await applying
            watch.acknowledge(change.revision)
            outages.on_applied(change.revision)
    except BackendUnavailable as error:
        return str(error)
    finally:
        await watch.close()
    return "the metadata service ended the watch"


class _Outages:
    """The delays between two watches, and log lines for each outage and its end."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._is_outage = False
        self._remind_at = 0.0
        self._connected_at: float | None = None

    def on_applied(self, revision: int) -> None:
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
                "metadata service still lost: %s (check its log, and metadata.address)",
                reason,
            )
        else:
            return
        self._remind_at = now + _REMIND_S

    def _was_steady(self) -> bool:
        """True if the last watch lasted for at least the longest delay.

        Only then is the delay reset: two processes that take one registration from each other must
        not do so at full speed.
        """
        if self._connected_at is None:
            return False
        return asyncio.get_running_loop().time() - self._connected_at >= self._backoff.max_s

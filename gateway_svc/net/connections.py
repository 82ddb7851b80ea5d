"""The open connections of this process: their limits in number, their timeouts, and the drain."""

import asyncio
import logging
from collections import Counter
from typing import Final

from gateway_svc.net.connection import ClientConnection

log = logging.getLogger(__name__)

#: Interval between checks of timeouts, and so their precision.
CHECK_INTERVAL_S: Final = 1.0

#: Refused connections are logged at most this often.
_REFUSAL_LOG_INTERVAL_S: Final = 10.0


class ClientConnections:
    """All open connections. From `start` to `stop` their timeouts are checked."""

    def __init__(self, *, connections_max: int, connections_per_ip_max: int) -> None:
        self._connections_max = connections_max
        self._connections_per_ip_max = connections_per_ip_max
        self._connections: dict[ClientConnection, None] = {}
        self._per_ip: Counter[str] = Counter()
        self._check_timer: asyncio.TimerHandle | None = None
        self._next_check_at = 0.0
        self._was_late = False
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._refused = 0
        self._refusal_logged_at = -_REFUSAL_LOG_INTERVAL_S

    def __len__(self) -> int:
        return len(self._connections)

    def start(self) -> None:
        """Schedules the next check of timeouts."""
        loop = asyncio.get_running_loop()
        self._next_check_at = loop.time() + CHECK_INTERVAL_S
        self._check_timer = loop.call_at(self._next_check_at, self._check_timeouts)

    def admit(self, connection: ClientConnection) -> bool:
        """Adds a new connection; returns False if there are too many."""
        reason = self._refusal_reason(connection.peer.host)
        if reason is not None:
            self._log_refusal(connection, reason)
            return False
        self._connections[connection] = None
        self._per_ip[connection.peer.host] += 1
        self._all_closed.clear()
        return True

    def remove(self, connection: ClientConnection) -> None:
        """Removes a connection that has ended; does nothing for one that was refused."""
        if connection not in self._connections:
            return
        del self._connections[connection]
        self._per_ip[connection.peer.host] -= 1
        if not self._per_ip[connection.peer.host]:
            del self._per_ip[connection.peer.host]
        if not self._connections:
            self._all_closed.set()

    async def drain(self, *, grace_s: float) -> None:
        """Lets all connections respond to their requests; aborts the rest after `grace_s`."""
        for connection in list(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(grace_s):
                await self._all_closed.wait()
        except TimeoutError:
            log.warning(
                "aborting %d connections that did not drain in time", len(self._connections)
            )
            for connection in list(self._connections):
                connection.abort()
            await self._all_closed.wait()

    def stop(self) -> None:
        """Ends the checks of timeouts."""
        if self._check_timer is not None:
            self._check_timer.cancel()

    def _check_timeouts(self) -> None:
        now = asyncio.get_running_loop().time()
        is_late = now - self._next_check_at > CHECK_INTERVAL_S
        # First of all: without the next check no timeout would ever fire again.
        self.start()
        if is_late and not self._was_late:
            # This process was busy. Bytes that clients sent meanwhile have not been received yet,
            # and the clients would seem to be silent.
            self._was_late = True
            return
        self._was_late = False
        for connection in list(self._connections):
            try:
                connection.check_timeouts(now)
            except Exception:
                log.exception("failed to check the timeouts of %s", connection.peer)

    def _refusal_reason(self, host: str) -> str | None:
        if len(self._connections) >= self._connections_max:
            return f"{self._connections_max} are open (max.connections)"
        if self._per_ip[host] >= self._connections_per_ip_max:
            return f"{self._connections_per_ip_max} are open from there (max.connections.per.ip)"
        return None

    def _log_refusal(self, connection: ClientConnection, reason: str) -> None:
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._refusal_logged_at < _REFUSAL_LOG_INTERVAL_S:
            return
        log.warning(
            "refusing connections: %s; %d refused, last %s", reason, self._refused, connection.peer
        )
        self._refused = 0
        self._refusal_logged_at = now

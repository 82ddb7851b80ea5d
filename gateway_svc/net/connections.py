"""The open connections of this process: how many there may be, whose time is up, and the drain."""

import asyncio
import logging
from collections import Counter
from typing import Final

from gateway_svc.net.connection import ClientConnection

log = logging.getLogger(__name__)

#: Limits of time hold to about this many seconds.
SWEEP_S: Final = 1.0

#: Refused connections are told in the log at most this often.
_REFUSALS_TOLD_EVERY_S: Final = 10.0


class ClientConnections:
    """Every session from its start to its end. `start` and `stop` are its watch on time."""

    def __init__(self, *, connections_max: int, connections_per_ip_max: int) -> None:
        self._connections_max = connections_max
        self._connections_per_ip_max = connections_per_ip_max
        self._sessions: dict[ClientConnection, None] = {}
        self._per_ip: Counter[str] = Counter()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0
        self._was_late = False
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._refused = 0
        self._refusal_told_at = -_REFUSALS_TOLD_EVERY_S

    def __len__(self) -> int:
        return len(self._sessions)

    def start(self) -> None:
        """Begins to look after time."""
        loop = asyncio.get_running_loop()
        self._sweep_at = loop.time() + SWEEP_S
        self._sweep_timer = loop.call_at(self._sweep_at, self._sweep)

    def admit(self, session: ClientConnection) -> bool:
        """Enters a new session, unless there are too many."""
        reason = self._reason_to_refuse(session.peer.host)
        if reason is not None:
            self._tell_refusal(session, reason)
            return False
        self._sessions[session] = None
        self._per_ip[session.peer.host] += 1
        self._all_gone.clear()
        return True

    def leave(self, session: ClientConnection) -> None:
        """Strikes out a session that ended; one that was refused is not in here."""
        if session not in self._sessions:
            return
        del self._sessions[session]
        self._per_ip[session.peer.host] -= 1
        if not self._per_ip[session.peer.host]:
            del self._per_ip[session.peer.host]
        if not self._sessions:
            self._all_gone.set()

    async def drain(self, *, grace_s: float) -> None:
        """Lets every session finish what was asked of it; after `grace_s` they are cut off."""
        for session in list(self._sessions):
            session.drain()
        try:
            async with asyncio.timeout(grace_s):
                await self._all_gone.wait()
        except TimeoutError:
            log.warning("cutting off %d connections that did not finish", len(self._sessions))
            for session in list(self._sessions):
                session.abort()
            await self._all_gone.wait()

    def stop(self) -> None:
        """Ends the watch on time."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        is_late = now - self._sweep_at > SWEEP_S
        # First of all: sessions that nobody looks after would stay for ever.
        self.start()
        if is_late and not self._was_late:
            # This process was busy. What clients sent meanwhile is still to be received, and
            # would count as if they had been silent.
            self._was_late = True
            return
        self._was_late = False
        for session in list(self._sessions):
            try:
                session.sweep(now)
            except Exception:
                log.exception("cannot check the idle time of %s", session.peer)

    def _reason_to_refuse(self, host: str) -> str | None:
        if len(self._sessions) >= self._connections_max:
            return f"{self._connections_max} are open (max.connections)"
        if self._per_ip[host] >= self._connections_per_ip_max:
            return f"{self._connections_per_ip_max} are open from there (max.connections.per.ip)"
        return None

    def _tell_refusal(self, session: ClientConnection, reason: str) -> None:
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._refusal_told_at < _REFUSALS_TOLD_EVERY_S:
            return
        log.warning(
            "refusing connections: %s; %d refused, last %s", reason, self._refused, session.peer
        )
        self._refused = 0
        self._refusal_told_at = now

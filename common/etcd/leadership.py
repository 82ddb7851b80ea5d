"""One term as leader: a key of etcd that lasts as long as its lease is renewed.

Two things follow from the lease. Writes that compare the key can never be made by a leader whose
time is over, whatever it believes: etcd decides. And the leader itself knows by its own clock when
its time may be over, because etcd counts a lease from when a renewal arrived, and the leader from
before it was sent. The clock goes on while a process stands still.
"""

import logging
import threading
import time
from concurrent.futures import Future
from typing import Final

from common.etcd.client import CALL_TIMEOUT_S, EtcdClient, EtcdError, EtcdRefused
from protos.etcd.v3 import rpc_pb2 as pb

log = logging.getLogger(__name__)

_RENEWALS_PER_LEASE: Final = 3
#: After a renewal that failed; there may be another endpoint that answers.
_RETRY_S: Final = 0.1


class LeadershipLost(Exception):
    """This process leads no more; the text says why."""


class Lease:
    """Seconds that etcd granted. `until` is when they are over at the latest, in monotonic time."""

    def __init__(self, client: EtcdClient, ttl_s: int) -> None:
        """Asks for a lease. Raises `EtcdError`."""
        asked_at = time.monotonic()
        granted = client.grant_lease(ttl_s)
        self._client = client
        self.id = granted.ID
        self.ttl_s = granted.TTL
        self.until = asked_at + granted.TTL

    def renew(self) -> bool:
        """False where the lease is over. Raises `EtcdError` where that is not known."""
        asked_at = time.monotonic()
        left_s = max(self.until - asked_at, 0.0)
        timeout_s = min(CALL_TIMEOUT_S, left_s, self.ttl_s / _RENEWALS_PER_LEASE)
        ttl_s = self._client.renew_lease(self.id, timeout_s)
        if ttl_s > 0:
            self.until = asked_at + ttl_s
        return ttl_s > 0

    def revoke(self) -> None:
        """Ends it now where etcd can be reached; else it ends by itself."""
        try:
            self._client.revoke_lease(self.id)
        except EtcdError as error:
            log.debug("lease not revoked: %s", error)


class Leadership:
    """Leads until `resign`, or until it is lost. A thread of its own renews the lease."""

    def __init__(self, lease: Lease, key: bytes, create_revision: int) -> None:
        """For `Election`, which has just written `key` with `lease` at `create_revision`."""
        self.term = create_revision
        self.lost: Future[str] = Future()
        self._lease = lease
        self._key = key
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="etcd-lease", daemon=True)
        self._thread.start()

    @property
    def is_held(self) -> bool:
        """True only while nobody else can have become leader."""
        return not self._is_over.is_set() and time.monotonic() < self._lease.until

    @property
    def condition(self) -> pb.Compare:
        """Holds in etcd exactly as long as this term does: for the transactions of its writes."""
        return pb.Compare(
            result=pb.Compare.EQUAL,
            target=pb.Compare.CREATE,
            key=self._key,
            create_revision=self.term,
        )

    def pause(self, seconds: float) -> bool:
        """Waits, and says whether the leadership is held then. Ends early where it is lost."""
        self._is_over.wait(seconds)
        return self.is_held

    def lose(self, reason: str) -> None:
        """Gives the leadership up as lost; only the first reason is told."""
        with self._lock:
            if self._is_over.is_set():
                return
            self._is_over.set()
        self.lost.set_result(reason)

    def resign(self) -> None:
        """Lets another lead at once. To be called after the last write; calling again is fine."""
        with self._lock:
            self._is_over.set()
        self._thread.join()
        self._lease.revoke()

    def _keep(self) -> None:
        try:
            self._keep_renewing()
        except Exception as bug:
            # Without this the process would continue as a leader that cannot write.
            log.exception("the lease is not renewed any more")
            self.lose(f"the lease is not renewed any more: {bug!r}")

    def _keep_renewing(self) -> None:
        trouble = ""
        while not self._is_over.wait(self._pause_s(trouble)):
            if time.monotonic() >= self._lease.until:
                self.lose(f"the lease was not renewed within its {self._lease.ttl_s} s{trouble}")
                return
            trouble = self._renew(trouble)

    def _pause_s(self, trouble: str) -> float:
        left_s = max(self._lease.until - time.monotonic(), 0.0)
        return min(_RETRY_S if trouble else self._lease.ttl_s / _RENEWALS_PER_LEASE, left_s)

    def _renew(self, trouble: str) -> str:
        """What went wrong, for when it goes wrong until the lease is over. Logged once."""
        try:
            if not self._lease.renew():
                self.lose("etcd says that the lease is over")
        except EtcdRefused as error:
            self.lose(f"the lease cannot be renewed: {error}")
        except EtcdError as error:
            if not trouble:
                log.warning("the lease is not renewed yet: %s", error)
            return f": {error}"
        return ""

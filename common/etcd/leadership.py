"""One term as leader: a key of etcd that exists as long as its lease is renewed.

Two things follow from the lease. A leader whose lease has expired can make no write that compares
the key, whatever it believes: etcd decides. And the leader knows by its own clock when the lease
may have expired, because etcd counts from the arrival of a renewal, and the leader from before it
was sent. The clock runs on while a process is suspended.
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
#: The delay after a failed renewal; another endpoint may respond.
_RETRY_S: Final = 0.1


class LeadershipLost(Exception):
    """Raised when the term of this process has ended; the text says why."""


class Lease:
    """A lease of etcd. `until` is the earliest time at which it can expire, in monotonic time."""

    def __init__(self, client: EtcdClient, ttl_s: int) -> None:
        """Requests a lease. Raises `EtcdError`."""
        requested_at = time.monotonic()
        granted = client.grant_lease(ttl_s)
        self._client = client
        self.id = granted.ID
        self.ttl_s = granted.TTL
        self.until = requested_at + granted.TTL

    def renew(self) -> bool:
        """Returns False if the lease has expired. Raises `EtcdError` if that is not known."""
        requested_at = time.monotonic()
        left_s = max(self.until - requested_at, 0.0)
        timeout_s = min(CALL_TIMEOUT_S, left_s, self.ttl_s / _RENEWALS_PER_LEASE)
        ttl_s = self._client.renew_lease(self.id, timeout_s)
        if ttl_s > 0:
            self.until = requested_at + ttl_s
        return ttl_s > 0

    def revoke(self) -> None:
        """Ends the lease if etcd can be reached; otherwise it expires."""
        try:
            self._client.revoke_lease(self.id)
        except EtcdError as error:
            log.debug("lease is not revoked: %s", error)


class LeaderTerm:
    """Lasts until `resign`, or until it is lost. A thread renews the lease."""

    def __init__(self, lease: Lease, key: bytes, create_revision: int) -> None:
        """Begins a term, after `Election` has created `key` with `lease` at `create_revision`."""
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
        """True only while no other process can have become leader."""
        return not self._is_over.is_set() and time.monotonic() < self._lease.until

    @property
    def condition(self) -> pb.Compare:
        """The condition of transactions that is true in etcd exactly as long as this term lasts."""
        return pb.Compare(
            result=pb.Compare.EQUAL,
            target=pb.Compare.CREATE,
            key=self._key,
            create_revision=self.term,
        )

    def wait(self, seconds: float) -> bool:
        """Waits for `seconds`, or until the term ends; returns `is_held`."""
        self._is_over.wait(seconds)
        return self.is_held

    def mark_lost(self, reason: str) -> None:
        """Ends the term; only the first reason is kept."""
        with self._lock:
            if self._is_over.is_set():
                return
            self._is_over.set()
        self.lost.set_result(reason)

    def resign(self) -> None:
        """Lets another candidate lead at once. To be called after the last write; idempotent."""
        with self._lock:
            self._is_over.set()
        self._thread.join()
        self._lease.revoke()

    def _keep(self) -> None:
        try:
            self._keep_renewing()
        except Exception as bug:
            # Otherwise the process would continue as a leader that cannot write.
            log.exception("renewing the lease failed by a bug")
            self.mark_lost(f"renewing the lease failed by a bug: {bug!r}")

    def _keep_renewing(self) -> None:
        trouble = ""
        while not self._is_over.wait(self._pause_s(trouble)):
            if time.monotonic() >= self._lease.until:
                self.mark_lost(
                    f"the lease was not renewed within its {self._lease.ttl_s} s{trouble}"
                )
                return
            trouble = self._renew(trouble)

    def _pause_s(self, trouble: str) -> float:
        left_s = max(self._lease.until - time.monotonic(), 0.0)
        return min(_RETRY_S if trouble else self._lease.ttl_s / _RENEWALS_PER_LEASE, left_s)

    def _renew(self, trouble: str) -> str:
        """Returns the reason of a failure, for the text of `LeadershipLost`; logs the first."""
        try:
            if not self._lease.renew():
                self.mark_lost("etcd reports that the lease is over")
        except EtcdRefused as error:
            self.mark_lost(f"the lease cannot be renewed: {error}")
        except EtcdError as error:
            if not trouble:
                log.warning("renewing the lease failed, retrying: %s", error)
            return f": {error}"
        return ""

"""Election of one leader: the candidate that creates the key `<prefix>leader`.

The key is attached to a lease, so it is deleted when its leader resigns, or does not renew the
lease in time. The other candidates watch for that, and try again.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Final

from common.etcd.client import EtcdClient, EtcdError, EtcdRefused, KeyWatch
from common.etcd.leadership import LeaderTerm, Lease
from common.runtime.backoff import Backoff
from protos.etcd.v3 import rpc_pb2 as pb

log = logging.getLogger(__name__)

#: The first and the longest delay between two attempts while etcd does not respond.
_RETRY_S_FIRST: Final = 0.1
_RETRY_S_MAX: Final = 1.0


class Election:
    """One candidate. `campaign` blocks in a thread; `withdraw` may be called from any."""

    def __init__(self, client: EtcdClient, *, prefix: bytes, name: str, ttl_s: int) -> None:
        """`name` must be unique, and the same after a restart.

        A candidate that finds its own name as leader ends that session instead of waiting for the
        lease to expire: it belongs to an earlier process, which was killed.
        """
        self._client = client
        self._key = prefix + b"leader"
        self._name = name
        self._ttl_s = ttl_s
        self._is_withdrawn = threading.Event()
        self._watch: KeyWatch | None = None
        self._leader: bytes | None = None
        self._is_outage = False

    def campaign(self, on_standby: Callable[[], None]) -> LeaderTerm | None:
        """Returns when elected; None after `withdraw`. Waits for etcd without a limit too.

        `on_standby` is called each time another candidate is found to be the leader.
        """
        backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        while not self._is_withdrawn.is_set():
            try:
                leader = self._read_leader()
                self._on_response()
                if not leader.kvs:
                    term = self._try_to_lead()
                    if term is not None:
                        return term
                elif leader.kvs[0].value == self._name.encode():
                    self._end_session(leader.kvs[0].lease)
                else:
                    self._stand_by(leader, on_standby)
                backoff.reset()
            except EtcdError as error:
                self._on_outage(error)
                self._is_withdrawn.wait(backoff.next_s())
        return None

    def withdraw(self) -> None:
        """Ends the campaign in progress. A term that was won is not affected."""
        self._is_withdrawn.set()
        if (watch := self._watch) is not None:
            watch.cancel()

    def _read_leader(self) -> pb.RangeResponse:
        return self._client.range(pb.RangeRequest(key=self._key))

    def _try_to_lead(self) -> LeaderTerm | None:
        """Tries to create the key; None if another candidate did."""
        lease = Lease(self._client, self._ttl_s)
        entry = pb.PutRequest(key=self._key, value=self._name.encode(), lease=lease.id)
        no_leader = pb.Compare(
            result=pb.Compare.EQUAL, target=pb.Compare.CREATE, key=self._key, create_revision=0
        )
        request = pb.TxnRequest(compare=[no_leader], success=[pb.RequestOp(request_put=entry)])
        try:
            response = self._client.transact(request)
        except EtcdError:
            # The key may have been created. Revoking the lease deletes it.
            lease.revoke()
            raise
        if not response.succeeded:
            lease.revoke()
            return None
        return LeaderTerm(lease, self._key, response.header.revision)

    def _end_session(self, lease: int) -> None:
        """Revokes the lease of an earlier process of this name. Raises `EtcdError`.

        Safe even if that process still runs: its writes compare the key's create revision.
        """
        log.info("ending the session of the earlier process of %s", self._name)
        with contextlib.suppress(EtcdRefused):
            # Refused: the lease has expired.
            self._client.revoke_lease(lease)

    def _stand_by(self, leader: pb.RangeResponse, on_standby: Callable[[], None]) -> None:
        """Waits until the leader's key is deleted, at most for the TTL of the lease."""
        if leader.kvs[0].value != self._leader:
            self._leader = leader.kvs[0].value
            log.info("standing by: %s leads", self._leader.decode(errors="replace"))
        on_standby()
        watch = self._client.watch(
            self._key, after_revision=leader.header.revision, timeout_s=self._ttl_s
        )
        self._watch = watch
        # A withdrawal in between has not cancelled the watch.
        if not self._is_withdrawn.is_set():
            watch.wait_for_deletion()
        self._watch = None
        watch.cancel()

    def _on_outage(self, error: EtcdError) -> None:
        if not self._is_outage:
            self._is_outage = True
            log.warning("election waits for etcd: %s", error)

    def _on_response(self) -> None:
        if self._is_outage:
            self._is_outage = False
            log.info("etcd is back")

"""Election of one leader: whoever writes the key `<prefix>leader` while it is not there.

The key hangs on a lease, so it goes when its leader resigns, or when it has not renewed the lease
in time. Candidates that came too late watch it go and try again.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Final

from common.etcd.client import EtcdClient, EtcdError, EtcdRefused, KeyWatch
from common.etcd.leadership import Leadership, Lease
from common.runtime.backoff import Backoff
from protos.etcd.v3 import rpc_pb2 as pb

log = logging.getLogger(__name__)

#: The first and the longest delay between two attempts while etcd does not answer.
_RETRY_S_FIRST: Final = 0.1
_RETRY_S_MAX: Final = 1.0


class Election:
    """One candidate. `campaign` blocks in a thread; `withdraw` may be called from any."""

    def __init__(self, client: EtcdClient, *, prefix: bytes, name: str, ttl_s: int) -> None:
        """`name` must be the same after a restart, and no other candidate's.

        A candidate that finds its own name as leader ends that session instead of waiting until the
        lease is over: it belongs to an earlier process, which was killed.
        """
        self._client = client
        self._key = prefix + b"leader"
        self._name = name
        self._ttl_s = ttl_s
        self._is_withdrawn = threading.Event()
        self._watch: KeyWatch | None = None
        self._leader: bytes | None = None
        self._is_outage = False

    def campaign(self, on_standby: Callable[[], None]) -> Leadership | None:
        """Returns as leader; None after `withdraw`. Waits for etcd too, for as long as it takes.

        `on_standby` is called each time it turns out that another leads.
        """
        backoff = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX)
        while not self._is_withdrawn.is_set():
            try:
                leader = self._leader_now()
                self._on_answer()
                if not leader.kvs:
                    won = self._stand()
                    if won is not None:
                        return won
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
        """Ends a campaign that is under way. A leadership that was won is not touched."""
        self._is_withdrawn.set()
        if (watch := self._watch) is not None:
            watch.cancel()

    def _leader_now(self) -> pb.RangeResponse:
        return self._client.range(pb.RangeRequest(key=self._key))

    def _stand(self) -> Leadership | None:
        """Tries to become leader; None where somebody else did."""
        lease = Lease(self._client, self._ttl_s)
        entry = pb.PutRequest(key=self._key, value=self._name.encode(), lease=lease.id)
        nobody_leads = pb.Compare(
            result=pb.Compare.EQUAL, target=pb.Compare.CREATE, key=self._key, create_revision=0
        )
        request = pb.TxnRequest(compare=[nobody_leads], success=[pb.RequestOp(request_put=entry)])
        try:
            answer = self._client.transact(request)
        except EtcdError:
            # It may have been won. Then nobody leads until the lease is over.
            lease.revoke()
            raise
        if not answer.succeeded:
            lease.revoke()
            return None
        return Leadership(lease, self._key, answer.header.revision)

    def _end_session(self, lease: int) -> None:
        """Revokes the lease of an earlier process of this name. Raises `EtcdError`.

        Safe even if that process still runs: its writes compare the key's create revision.
        """
        log.info("ending the session of an earlier leader %s", self._name)
        with contextlib.suppress(EtcdRefused):
            # Refused: the lease is over already.
            self._client.revoke_lease(lease)

    def _stand_by(self, leader: pb.RangeResponse, on_standby: Callable[[], None]) -> None:
        """Waits until there is no leader any more, or for one lease's time, to look again then."""
        if leader.kvs[0].value != self._leader:
            self._leader = leader.kvs[0].value
            log.info("standing by: %s leads", self._leader.decode(errors="replace"))
        on_standby()
        watch = self._client.watch(
            self._key, after_revision=leader.header.revision, timeout_s=self._ttl_s
        )
        self._watch = watch
        # Whoever withdrew in between has not seen the watch.
        if not self._is_withdrawn.is_set():
            watch.wait_for_deletion()
        self._watch = None
        watch.cancel()

    def _on_outage(self, error: EtcdError) -> None:
        if not self._is_outage:
            self._is_outage = True
            log.warning("no election: %s", error)

    def _on_answer(self) -> None:
        if self._is_outage:
            self._is_outage = False
            log.info("etcd answers again")

"""Writes to etcd by one leader: each made once, in order, and never by a former leader.

Every transaction compares two keys: that of the leader, and `<prefix>written`, to which each
transaction writes a unique mark. So a transaction of a lost call that etcd executes late fails, and
a call whose response was lost can be retried: if `written` holds its mark, it was done.
"""

from collections.abc import Callable, Sequence
from typing import Final, NoReturn, Protocol, TypeVar

from common.etcd.client import EtcdClient, EtcdRefused, EtcdUnavailable
from common.kv.store import KvStoreFailed
from common.runtime.backoff import Backoff
from protos.etcd.v3 import rpc_pb2 as pb

T = TypeVar("T")

#: The first and the longest delay between two attempts while etcd does not respond.
_RETRY_S_FIRST: Final = 0.05
_RETRY_S_MAX: Final = 0.5


class Term(Protocol):
    """The part of `common.etcd.leadership.LeaderTerm` that writes need."""

    term: int

    @property
    def is_held(self) -> bool: ...

    @property
    def condition(self) -> pb.Compare: ...

    def wait(self, seconds: float) -> bool: ...

    def mark_lost(self, reason: str) -> None: ...


class LeaderWrites:
    """Transactions of one term. Not thread-safe."""

    def __init__(self, client: EtcdClient, term: Term, *, prefix: bytes) -> None:
        self._client = client
        self._term = term
        self._key = prefix + b"written"
        self._revision: int | None = None
        self._count = 0

    def commit(self, changes: Sequence[pb.RequestOp]) -> None:
        """Commits all `changes` or none, durably; retries for as long as the term lasts.

        Raises:
            KvStoreFailed: they were not committed, or the term has ended.
        """
        if self._revision is None:
            self._revision = self._written().mod_revision
        self._count += 1
        mark = f"{self._term.term}.{self._count}".encode()
        request = self._request(changes, mark)
        response = self._retry(lambda: self._client.transact(request), is_change=True)
        if response.succeeded:
            self._revision = response.header.revision
            return
        written = response.responses[0].response_range.kvs
        if not written or written[0].value != mark:
            self._lose("another process leads")
        self._revision = written[0].mod_revision

    def read(self, request: pb.RangeRequest) -> pb.RangeResponse:
        """Raises `KvStoreFailed`."""
        return self._retry(lambda: self._client.range(request), is_change=False)

    def _retry(self, call: Callable[[], T], *, is_change: bool) -> T:
        """Retries while etcd does not respond and the term lasts.

        If a change is refused after a call without a known outcome, that outcome stays unknown:
        then the term is ended, and the next leader reads what is there.
        """
        backoff, unknown = Backoff(_RETRY_S_FIRST, _RETRY_S_MAX), ""
        while self._term.is_held:
            try:
                return call()
            except EtcdRefused as error:
                if unknown and is_change:
                    self._lose(f"{unknown}, then {error}")
                raise KvStoreFailed(str(error)) from error
            except EtcdUnavailable as error:
                unknown = str(error)
                self._term.wait(backoff.next_s())
        raise KvStoreFailed(
            "this process is no longer the leader" + (f": {unknown}" if unknown else "")
        )

    def _request(self, changes: Sequence[pb.RequestOp], mark: bytes) -> pb.TxnRequest:
        is_unwritten = pb.Compare(
            result=pb.Compare.EQUAL,
            target=pb.Compare.MOD,
            key=self._key,
            mod_revision=self._revision,
        )
        put_mark = pb.RequestOp(request_put=pb.PutRequest(key=self._key, value=mark))
        get_mark = pb.RequestOp(request_range=pb.RangeRequest(key=self._key))
        return pb.TxnRequest(
            compare=[self._term.condition, is_unwritten],
            success=[*changes, put_mark],
            failure=[get_mark],
        )

    def _written(self) -> pb.KeyValue:
        entries = self.read(pb.RangeRequest(key=self._key)).kvs
        return entries[0] if entries else pb.KeyValue()

    def _lose(self, reason: str) -> NoReturn:
        self._term.mark_lost(reason)
        raise KvStoreFailed(f"this process is no longer the leader: {reason}")

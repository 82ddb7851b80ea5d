"""Writes to etcd by one leader: each made once, in order, and never by a leader of the past.

Every transaction compares two keys: that of the leader, and `<prefix>written`, which each
transaction writes anew with a mark of its own. So what a lost call left behind, and etcd takes up
late, fails; and a call whose answer was lost can be made again: where its mark stands there, it
was done.
"""

from collections.abc import Callable, Sequence
from typing import Final, NoReturn, Protocol, TypeVar

from common.etcd.client import EtcdClient, EtcdRefused, EtcdUnavailable
from common.kv.store import KvStoreFailed
from common.runtime.backoff import Backoff
from protos.etcd.v3 import rpc_pb2 as pb

T = TypeVar("T")

#: The first and the longest delay between two attempts while etcd does not answer.
_RETRY_S_FIRST: Final = 0.05
_RETRY_S_MAX: Final = 0.5


class Term(Protocol):
    """What is asked of a leadership here (`common.etcd.leadership.Leadership`)."""

    term: int

    @property
    def is_held(self) -> bool: ...

    @property
    def condition(self) -> pb.Compare: ...

    def pause(self, seconds: float) -> bool: ...

    def lose(self, reason: str) -> None: ...


class LeaderWrites:
    """Transactions of one term. One thread at a time."""

    def __init__(self, client: EtcdClient, term: Term, *, prefix: bytes) -> None:
        self._client = client
        self._term = term
        self._key = prefix + b"written"
        self._revision: int | None = None
        self._count = 0

    def make(self, changes: Sequence[pb.RequestOp]) -> None:
        """Makes all `changes` or none, durably; tries for as long as the leadership lasts.

        Raises:
            KvStoreFailed: they were not made, or the leadership is lost.
        """
        if self._revision is None:
            self._revision = self._written().mod_revision
        self._count += 1
        mark = f"{self._term.term}.{self._count}".encode()
        request = self._request(changes, mark)
        answer = self._persist(lambda: self._client.transact(request), is_change=True)
        if answer.succeeded:
            self._revision = answer.header.revision
            return
        written = answer.responses[0].response_range.kvs
        if not written or written[0].value != mark:
            self._lose("another process leads")
        self._revision = written[0].mod_revision

    def read(self, request: pb.RangeRequest) -> pb.RangeResponse:
        """Raises `KvStoreFailed`."""
        return self._persist(lambda: self._client.range(request), is_change=False)

    def _persist(self, call: Callable[[], T], *, is_change: bool) -> T:
        """Calls again and again while nobody answers and the leadership lasts.

        A change that is refused after a call whose outcome is unknown stays unknown: then the
        leadership is given up, and the next leader finds out.
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
                self._term.pause(backoff.next_s())
        raise KvStoreFailed("this process leads no more" + (f": {unknown}" if unknown else ""))

    def _request(self, changes: Sequence[pb.RequestOp], mark: bytes) -> pb.TxnRequest:
        nobody_wrote = pb.Compare(
            result=pb.Compare.EQUAL,
            target=pb.Compare.MOD,
            key=self._key,
            mod_revision=self._revision,
        )
        marking = pb.RequestOp(request_put=pb.PutRequest(key=self._key, value=mark))
        reading = pb.RequestOp(request_range=pb.RangeRequest(key=self._key))
        return pb.TxnRequest(
            compare=[self._term.condition, nobody_wrote],
            success=[*changes, marking],
            failure=[reading],
        )

    def _written(self) -> pb.KeyValue:
        found = self.read(pb.RangeRequest(key=self._key)).kvs
        return found[0] if found else pb.KeyValue()

    def _lose(self, reason: str) -> NoReturn:
        self._term.lose(reason)
        raise KvStoreFailed(f"this process leads no more: {reason}")

"""A `KvStore` in etcd, for one leader at a time.

    <prefix>leader          who leads (common/etcd/election.py)
    <prefix>written         which transaction was the last (etcd_writes.py)
    <prefix>data/<key>      the entries of the store
    <prefix>journal/<n>     changes of a batch that is too big for one transaction
    <prefix>pending         there while such a batch is decided, and not yet all in `data/`

A batch that etcd does not take in one transaction is staged under `journal/` first. Writing
`pending` is what decides it; then its changes are copied to their keys, as often as it takes:
whoever finds `pending` later, this process or the next leader, copies them before it reads.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from common.etcd.client import EtcdClient
from common.kv.etcd_writes import LeaderWrites, Term
from common.kv.journal import Change, chunks, decode_chunk, encode_chunk
from common.kv.store import KvStoreFailed, WriteBatch
from protos.etcd.v3 import rpc_pb2 as pb

#: etcd takes 128 operations in a transaction (--max-txn-ops); some are ours.
OPERATIONS_MAX: Final = 120
#: etcd takes 1.5 MiB in a request (--max-request-bytes).
REQUEST_BYTES_MAX: Final = 1 << 20
#: Entries in a page of a scan: where all are as big as can be, a page is still one answer.
_PAGE: Final = 100


class EtcdKvStore:
    """Implements `KvStore`. Fails until `lead` is called, and when that leadership is over."""

    def __init__(self, client: EtcdClient, *, prefix: bytes) -> None:
        """The client stays the caller's, to be closed after the store."""
        self._client = client
        self._prefix = prefix
        self._data = prefix + b"data/"
        self._journal = prefix + b"journal/"
        self._pending = prefix + b"pending"
        self._writes: LeaderWrites | None = None
        self._is_settled = False

    def lead(self, term: Term) -> None:
        """From now on the store works, for as long as `term` is held."""
        self._writes = LeaderWrites(self._client, term, prefix=self._prefix)

    def get(self, key: bytes) -> bytes | None:
        found = self._settled().read(pb.RangeRequest(key=self._data + key)).kvs
        return found[0].value if found else None

    def scan(self, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
        found = self._range(self._settled(), self._data + start, self._data + end)
        return [(entry.key[len(self._data) :], entry.value) for entry in found]

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        """Answered when a change is on the disks of most members of etcd: always synced."""
        writes = self._settled()
        staged = list(chunks(dict(batch), operations=OPERATIONS_MAX, size=REQUEST_BYTES_MAX))
        if len(staged) == 1:
            writes.make(self._operations(staged[0]))
        elif staged:
            self._write_in_steps(writes, staged)

    def close(self) -> None:
        self._writes = None

    def _write_in_steps(self, writes: LeaderWrites, staged: Sequence[Sequence[Change]]) -> None:
        # Whatever fails from here on, `_settled` finishes or cleans away before anything else.
        self._is_settled = False
        for number, changes in enumerate(staged):
            writes.make([_put(self._journal + b"%08d" % number, encode_chunk(changes))])
        writes.make([_put(self._pending, b"%d" % len(staged))])
        self._settle(writes)

    def _settled(self) -> LeaderWrites:
        """What reads and writes, after a batch was finished that was decided and no more."""
        if self._writes is None:
            raise KvStoreFailed("the store is closed, or this process does not lead")
        if not self._is_settled:
            self._settle(self._writes)
        return self._writes

    def _settle(self, writes: LeaderWrites) -> None:
        """Idempotent: what is copied twice is the same, and nothing else is written meanwhile."""
        if writes.read(pb.RangeRequest(key=self._pending)).kvs:
            for chunk in self._range(writes, self._journal, _end(self._journal)):
                writes.make(self._operations(decode_chunk(chunk.value)))
        journal = pb.DeleteRangeRequest(key=self._journal, range_end=_end(self._journal))
        writes.make([pb.RequestOp(request_delete_range=journal), _delete(self._pending)])
        self._is_settled = True

    def _operations(self, changes: Sequence[Change]) -> list[pb.RequestOp]:
        return [
            _delete(self._data + key) if value is None else _put(self._data + key, value)
            for key, value in changes
        ]

    def _range(self, writes: LeaderWrites, start: bytes, end: bytes) -> Iterator[pb.KeyValue]:
        """Page by page, all of them of the revision that the first one has."""
        request = pb.RangeRequest(key=start, range_end=end, limit=_PAGE)
        while start < end:
            page = writes.read(request)
            yield from page.kvs
            if not page.more:
                return
            request.key = page.kvs[-1].key + b"\0"
            request.revision = request.revision or page.header.revision


def _put(key: bytes, value: bytes) -> pb.RequestOp:
    return pb.RequestOp(request_put=pb.PutRequest(key=key, value=value))


def _delete(key: bytes) -> pb.RequestOp:
    return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))


def _end(folder: bytes) -> bytes:
    """The first key after all that begin with `folder`, which ends with a slash."""
    return folder[:-1] + b"0"

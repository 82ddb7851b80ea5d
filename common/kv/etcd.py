"""A `KvStore` in etcd, for one leader at a time.

    <prefix>leader          the leader's name (common/etcd/election.py)
    <prefix>written         the mark of the last transaction (etcd_writes.py)
    <prefix>data/<key>      the entries of the store
    <prefix>journal/<n>     changes of a batch that is too large for one transaction
    <prefix>pending         exists while such a batch is committed, and not yet all in `data/`

A batch that etcd does not accept in one transaction is staged under `journal/` first. Writing
`pending` commits it; then its changes are copied to their keys. A process that finds `pending`
later, this one or the next leader, copies them again before it reads.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from common.etcd.client import EtcdClient
from common.kv.etcd_writes import LeaderWrites, Term
from common.kv.journal import Change, chunks, decode_chunk, encode_chunk
from common.kv.store import KvStoreFailed, WriteBatch
from protos.etcd.v3 import rpc_pb2 as pb

#: etcd accepts 128 operations in a transaction (--max-txn-ops); `LeaderWrites` adds some.
OPERATIONS_MAX: Final = 120
#: etcd accepts 1.5 MiB in a request (--max-request-bytes).
REQUEST_BYTES_MAX: Final = 1 << 20
#: Entries in a page of a scan: one response holds them even if all have the maximum size.
_PAGE_ENTRIES: Final = 100


class EtcdKvStore:
    """Implements `KvStore`. All calls fail before `lead`, and after the end of that term."""

    def __init__(self, client: EtcdClient, *, prefix: bytes) -> None:
        """The caller keeps ownership of the client, and closes it after the store."""
        self._client = client
        self._prefix = prefix
        self._data = prefix + b"data/"
        self._journal = prefix + b"journal/"
        self._pending = prefix + b"pending"
        self._writes: LeaderWrites | None = None
        self._is_settled = False

    def lead(self, term: Term) -> None:
        """Enables the store for as long as `term` is held."""
        self._writes = LeaderWrites(self._client, term, prefix=self._prefix)

    def get(self, key: bytes) -> bytes | None:
        entries = self._settled().read(pb.RangeRequest(key=self._data + key)).kvs
        return entries[0].value if entries else None

    def scan(self, start: bytes, end: bytes) -> list[tuple[bytes, bytes]]:
        entries = self._range(self._settled(), self._data + start, self._data + end)
        return [(entry.key[len(self._data) :], entry.value) for entry in entries]

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        """Returns when the changes are on the disks of most members of etcd: always synced."""
        writes = self._settled()
        staged = list(chunks(dict(batch), operations=OPERATIONS_MAX, size=REQUEST_BYTES_MAX))
        if len(staged) == 1:
            writes.commit(self._operations(staged[0]))
        elif staged:
            self._write_in_steps(writes, staged)

    def close(self) -> None:
        self._writes = None

    def _write_in_steps(self, writes: LeaderWrites, staged: Sequence[Sequence[Change]]) -> None:
        # After a failure from here on `_settled` completes or discards the batch first.
        self._is_settled = False
        for number, changes in enumerate(staged):
            writes.commit([_put(self._journal + b"%08d" % number, encode_chunk(changes))])
        writes.commit([_put(self._pending, b"%d" % len(staged))])
        self._settle(writes)

    def _settled(self) -> LeaderWrites:
        """Returns the reader and writer, after completing a batch that was only committed."""
        if self._writes is None:
            raise KvStoreFailed("the store is closed, or this process does not lead")
        if not self._is_settled:
            self._settle(self._writes)
        return self._writes

    def _settle(self, writes: LeaderWrites) -> None:
        """Copies a committed batch to its keys and deletes the journal. Idempotent."""
        if writes.read(pb.RangeRequest(key=self._pending)).kvs:
            for chunk in self._range(writes, self._journal, _end(self._journal)):
                writes.commit(self._operations(decode_chunk(chunk.value)))
        journal = pb.DeleteRangeRequest(key=self._journal, range_end=_end(self._journal))
        writes.commit([pb.RequestOp(request_delete_range=journal), _delete(self._pending)])
        self._is_settled = True

    def _operations(self, changes: Sequence[Change]) -> list[pb.RequestOp]:
        return [
            _delete(self._data + key) if value is None else _put(self._data + key, value)
            for key, value in changes
        ]

    def _range(self, writes: LeaderWrites, start: bytes, end: bytes) -> Iterator[pb.KeyValue]:
        """Reads page by page, all at the revision of the first page."""
        request = pb.RangeRequest(key=start, range_end=end, limit=_PAGE_ENTRIES)
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
    """Returns the first key after all with the prefix `folder`, which ends with a slash."""
    return folder[:-1] + b"0"

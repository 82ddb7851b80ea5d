"""Fast path for Produce requests with exactly one batch, without the generic codec.

Responses are byte for byte those of `produce`; any other request, and the response to a batch that
is not stored, falls back to it. test_fast_path.py compares both with fuzzed frames.

Most requests of a client to one partition begin with the same bytes, so their prefix is parsed once
and cached until the cluster view changes. That saves 24 % of the CPU time of a single record
(docs/performance.md).
"""

import logging
from asyncio import Future
from collections.abc import Mapping
from typing import Final, NamedTuple

from common.ports.partitions import ACKS_ALL, ACKS_LEADER, AppendResult, LogId
from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.context import Backends, ConnectionContext, RequestContext
from gateway_svc.dispatch.lookup import resolve_partition
from gateway_svc.dispatch.reply import Parts, PendingResponse
from gateway_svc.dispatch.request import Request
from gateway_svc.dispatch.route import FastPath, Route
from gateway_svc.handlers.produce.handler import ProduceOperation, timeout_ms
from gateway_svc.handlers.produce.response_template import ResponseTemplate, response_template
from gateway_svc.wire.apis.produce import ProduceResponse
from gateway_svc.wire.envelope import Encoded, read_header
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.produce_prefix import (
    PREFIX_START,
    SINGLE_BATCH_VERSIONS,
    ProducePrefix,
    prefix_end,
    read_batch,
    read_prefix,
)
from gateway_svc.wire.schema import ZERO_UUID

log = logging.getLogger(__name__)

_ANSWERED: Final = (ACKS_ALL, ACKS_LEADER)
#: Cached prefixes of each version; a prefix has less than 500 bytes, usually some dozen.
_CACHED_MAX: Final = 4096


def single_batch_fast_paths(route: Route, backends: Backends) -> Mapping[int, FastPath]:
    """Fast paths by version."""
    return {
        version: _SingleBatchPath(version, route, backends).start
        for version in SINGLE_BATCH_VERSIONS
    }


class _Resolved(NamedTuple):
    """A resolved prefix, valid while the cluster view has `view_version`."""

    view_version: int
    log: LogId
    leader_epoch: int
    acks: int
    timeout_ms: int
    response: ResponseTemplate


class _SingleBatchPath:
    """Single-batch requests of one version, on all connections."""

    def __init__(self, version: int, route: Route, backends: Backends) -> None:
        self._version = version
        self._route = route
        self._view = backends.view
        self._partitions = backends.partitions
        self._cache: dict[bytes, _Resolved] = {}

    def start(self, frame: bytes, connection: ConnectionContext) -> "_PendingBatch | None":
        """Starts the append; None if the request must take the slow path."""
        try:
            end = prefix_end(frame, self._version)
        except IndexError:
            return None
        resolved = self._cache.get(frame[PREFIX_START:end])
        if resolved is None or resolved.view_version != self._view.version:
            resolved = self._resolve_and_cache(frame, end)
            if resolved is None:
                return None
        batch = read_batch(frame, end)
        if batch is None:
            return None
        # Batches that only the gateway would refuse are refused by the owner too.
        _, log, leader_epoch, acks, _, _ = resolved
        future, position = self._partitions.append_one(log, batch, leader_epoch, acks=acks)
        return _PendingBatch(self._route, connection, frame, resolved, future, position)

    def _resolve_and_cache(self, frame: bytes, end: int) -> _Resolved | None:
        prefix = read_prefix(frame, self._version)
        if prefix is None or prefix.acks not in _ANSWERED:
            return None
        resolved = self._resolve(prefix)
        if resolved is not None:
            if len(self._cache) >= _CACHED_MAX:
                self._cache.clear()
            self._cache[frame[PREFIX_START:end]] = resolved
        return resolved

    def _resolve(self, prefix: ProducePrefix) -> _Resolved | None:
        """Returns None if the partition does not exist."""
        acks, requested_ms, name, partition = prefix
        view = self._view
        found = resolve_partition(view, name, partition)
        if isinstance(found, ErrorCode):
            return None
        if isinstance(name, str):
            response = response_template(self._version, name, ZERO_UUID, partition)
        else:
            response = response_template(self._version, "", name, partition)
        wait_ms = timeout_ms(requested_ms)
        return _Resolved(view.version, found.log, found.leader_epoch, acks, wait_ms, response)


class _PendingBatch(PendingResponse):
    """The pending append of one request."""

    __slots__ = ("_connection", "_frame", "_position", "_response", "_route")

    def __init__(  # noqa: PLR0913 - parts of the response
        self,
        route: Route,
        connection: ConnectionContext,
        frame: bytes,
        resolved: _Resolved,
        future: "Future[list[AppendResult]]",
        position: int,
    ) -> None:
        self._route = route
        self._connection = connection
        self._frame = frame
        self._response = resolved.response
        self.timeout_ms = resolved.timeout_ms
        self.future = future
        self._position = position

    def finish(self) -> Parts | None:
        # Where the append itself failed, the slow path meets that error, and responds or logs it.
        if self.future.exception() is None:
            try:
                stored = self.future.result()[self._position]
                if stored.refusal is None:
                    return [self._response.frame(self._frame, stored)]
            except Exception:
                # A bug of the fast path must be logged here: the slow path may not have it.
                log.exception("the fast path failed to respond to Produce v%d", self._version)
        request, context = self._slow_path()
        return request.encode(lambda: self._respond(ProduceOperation(request.decode(), context)))

    def expire(self) -> Parts:
        return self._slow_path()[0].expire()

    @property
    def _version(self) -> int:
        return read_header(self._frame).api_version

    def _slow_path(self) -> tuple[Request, RequestContext]:
        header = read_header(self._frame)
        return Request(self._route, header, self._frame), self._connection.request_context(header)

    def _respond(self, operation: ProduceOperation) -> ProduceResponse | Encoded | None:
        try:
            return operation.complete([self.future.result()[self._position]])
        except BackendUnavailable as error:
            return operation.fail(error)

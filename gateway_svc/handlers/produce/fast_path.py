"""Produce of one batch, which most requests are, without the codec: read, appended, answered.

It says what `produce` says. Whatever is not usual is left to that: requests of another shape from
the start, and the response where the batch is not stored.
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
from gateway_svc.handlers.produce.handler import Appending, timeout_ms
from gateway_svc.handlers.produce.response_template import StoredResponse, stored_response
from gateway_svc.wire.apis.produce import ProduceResponse
from gateway_svc.wire.envelope import Encoded, read_header
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.produce_prefix import (
    OPENING_START,
    SINGLE_BATCH_VERSIONS,
    Opening,
    opening_end,
    read_batch,
    read_opening,
)
from gateway_svc.wire.schema import ZERO_UUID

log = logging.getLogger(__name__)

_ANSWERED: Final = (ACKS_ALL, ACKS_LEADER)
#: Openings that are remembered for each version; they have some dozen bytes, less than 500.
_KNOWN_MAX: Final = 4096


def single_batch_fast_paths(route: Route, backends: Backends) -> Mapping[int, FastPath]:
    """By version."""
    return {
        version: _SingleBatches(version, route, backends).start for version in SINGLE_BATCH_VERSIONS
    }


class _Known(NamedTuple):
    """What follows from the opening of a request, as long as the view has this `edition`."""

    edition: int
    log: LogId
    leader_epoch: int
    acks: int
    timeout_ms: int
    response: StoredResponse


class _SingleBatches:
    """Such requests of one version, on all connections."""

    def __init__(self, version: int, route: Route, backends: Backends) -> None:
        self._version = version
        self._route = route
        self._view = backends.view
        self._partitions = backends.partitions
        self._known: dict[bytes, _Known] = {}

    def start(self, frame: bytes, connection: ConnectionContext) -> "_OneBatch | None":
        """The append under way; None where the request is to go the long way."""
        try:
            end = opening_end(frame, self._version)
        except IndexError:
            return None
        known = self._known.get(frame[OPENING_START:end])
        if known is None or known.edition != self._view.version:
            known = self._learn(frame, end)
            if known is None:
                return None
        batch = read_batch(frame, end)
        if batch is None:
            return None
        # What only the gateway refuses the owner refuses too, if with other words.
        _, log, leader_epoch, acks, _, _ = known
        future, position = self._partitions.append_one(log, batch, leader_epoch, acks=acks)
        return _OneBatch(self._route, connection, frame, known, future, position)

    def _learn(self, frame: bytes, end: int) -> _Known | None:
        opening = read_opening(frame, self._version)
        if opening is None or opening.acks not in _ANSWERED:
            return None
        known = self._understood(opening)
        if known is not None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[frame[OPENING_START:end]] = known
        return known

    def _understood(self, opening: Opening) -> _Known | None:
        """None where there is no such partition."""
        acks, asked_ms, name, partition = opening
        view = self._view
        found = resolve_partition(view, name, partition)
        if isinstance(found, ErrorCode):
            return None
        if isinstance(name, str):
            response = stored_response(self._version, name, ZERO_UUID, partition)
        else:
            response = stored_response(self._version, "", name, partition)
        wait_ms = timeout_ms(asked_ms)
        return _Known(view.version, found.log, found.leader_epoch, acks, wait_ms, response)


class _OneBatch(PendingResponse):
    """An append under way."""

    __slots__ = ("_connection", "_frame", "_position", "_response", "_route")

    def __init__(  # noqa: PLR0913 - what the answer needs, each once
        self,
        route: Route,
        connection: ConnectionContext,
        frame: bytes,
        known: _Known,
        future: "Future[list[AppendResult]]",
        position: int,
    ) -> None:
        self._route = route
        self._connection = connection
        self._frame = frame
        self._response = known.response
        self.timeout_ms = known.timeout_ms
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
                # A bug of the fast path: nobody else reports it, for the slow path may not have it.
                log.exception("the fast path failed to respond to Produce v%d", self._version)
        request, context = self._long_way()
        return request.encode(lambda: self._told(Appending(request.decode(), context)))

    def expire(self) -> Parts:
        return self._long_way()[0].expire()

    @property
    def _version(self) -> int:
        return read_header(self._frame).api_version

    def _long_way(self) -> tuple[Request, RequestContext]:
        header = read_header(self._frame)
        return Request(self._route, header, self._frame), self._connection.request_context(header)

    def _told(self, appending: Appending) -> ProduceResponse | Encoded | None:
        try:
            return appending.done([self.future.result()[self._position]])
        except BackendUnavailable as error:
            return appending.lost(error)

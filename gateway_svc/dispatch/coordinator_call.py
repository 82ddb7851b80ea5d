"""Calls to group coordinators, as the handlers of all group APIs make them."""

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

from common.ports.group_errors import GroupClient
from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.reply import NO_TIMEOUT_MS
from gateway_svc.dispatch.route import Operation
from gateway_svc.wire.api import Api
from gateway_svc.wire.envelope import Encoded
from gateway_svc.wire.error_code import ErrorCode

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

Handler = Callable[[RequestT, RequestContext], Awaitable[ResponseT]]


def refuse_if_unavailable(
    api: Api[RequestT, ResponseT],
) -> Callable[[Handler[RequestT, ResponseT]], Handler[RequestT, ResponseT]]:
    """Returns a decorator of handlers: the error of `BackendUnavailable` in the API's response.

    The error is COORDINATOR_NOT_AVAILABLE. Clients look up the coordinator after it, and retry.
    """

    def decorate(handler: Handler[RequestT, ResponseT]) -> Handler[RequestT, ResponseT]:
        @wraps(handler)
        async def handle(request: RequestT, context: RequestContext) -> ResponseT:
            try:
                return await handler(request, context)
            except BackendUnavailable:
                return api.refuse(request, ErrorCode.COORDINATOR_NOT_AVAILABLE)

        return handle

    return decorate


def without_duplicates(group_ids: Sequence[str]) -> list[str]:
    """Returns each group id once, as a description may be a thousand times larger than the id.

    Apache Kafka does so for DeleteGroups; for DescribeGroups it repeats the description.
    """
    return list(dict.fromkeys(group_ids))


class CoordinatorOperation(Operation[ResponseT]):
    """A call to a coordinator that needs no task; `refuse_if_unavailable` is built in.

    It has no timeout of its own: the search for the coordinator has one.
    """

    __slots__ = ("_api", "_request", "_respond")

    def __init__(
        self,
        api: Api[Any, ResponseT],
        request: object,
        future: "Future[Any]",
        respond: Callable[[Any], ResponseT | Encoded],
    ) -> None:
        """`respond` makes the response from the result of `future`."""
        self.future = future
        self.timeout_ms = NO_TIMEOUT_MS
        self._api = api
        self._request = request
        self._respond = respond

    def abandon(self) -> None:
        """Ends retries: a late commit must not overwrite one that its client makes elsewhere."""
        self.future.cancel()

    def respond(self) -> ResponseT | Encoded:
        try:
            result = self.future.result()
        except BackendUnavailable:
            return self._api.refuse(self._request, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return self._respond(result)


def group_client(context: RequestContext) -> GroupClient:
    """Returns the client as groups describe it: its host with a slash, as InetAddress writes it."""
    return GroupClient(context.client_id or "", f"/{context.peer.host}")

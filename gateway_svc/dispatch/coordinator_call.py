"""What the handlers of all group APIs share."""

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, Final, TypeVar

from common.ports.group_errors import GroupClient
from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.route import Operation
from gateway_svc.wire.api import Api
from gateway_svc.wire.envelope import Encoded
from gateway_svc.wire.error_code import ErrorCode

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

#: None beside those of whoever looks for the coordinator, as with `coordinated`.
_NO_TIMEOUT_MS: Final = 1 << 40

Handler = Callable[[RequestT, RequestContext], Awaitable[ResponseT]]


def coordinated(
    api: Api[RequestT, ResponseT],
) -> Callable[[Handler[RequestT, ResponseT]], Handler[RequestT, ResponseT]]:
    """Answers COORDINATOR_NOT_AVAILABLE where a handler's coordinator does not answer it.

    Clients look for the coordinator again, and ask once more.
    """

    def decorate(handler: Handler[RequestT, ResponseT]) -> Handler[RequestT, ResponseT]:
        @wraps(handler)
        async def handle(request: RequestT, call: RequestContext) -> ResponseT:
            try:
                return await handler(request, call)
            except BackendUnavailable:
                return api.refuse(request, ErrorCode.COORDINATOR_NOT_AVAILABLE)

        return handle

    return decorate


def distinct(group_ids: Sequence[str]) -> list[str]:
    """Each group once, however often it is named: its description may be a thousand times larger.

    DeleteGroups of Apache Kafka answers so too; its DescribeGroups repeats the description.
    """
    return list(dict.fromkeys(group_ids))


class Coordinating(Operation[ResponseT]):
    """As `coordinated`, for what needs no task: a request that waits for one answer."""

    __slots__ = ("_api", "_request", "_respond")

    def __init__(
        self,
        api: Api[Any, ResponseT],
        request: object,
        answer: "Future[Any]",
        respond: Callable[[Any], ResponseT | Encoded],
    ) -> None:
        """`respond` makes the response of the coordinator's answer."""
        self.future = answer
        self.timeout_ms = _NO_TIMEOUT_MS
        self._api = api
        self._request = request
        self._respond = respond

    def abandon(self) -> None:
        """Ends retries: a commit must not overwrite one that its client makes elsewhere."""
        self.future.cancel()

    def respond(self) -> ResponseT | Encoded:
        try:
            answer = self.future.result()
        except BackendUnavailable:
            return self._api.refuse(self._request, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return self._respond(answer)


def client_of(call: RequestContext) -> GroupClient:
    """Who is asking, as groups are described: hosts begin with a slash, as InetAddress writes."""
    return GroupClient(call.client_id or "", f"/{call.peer.host}")

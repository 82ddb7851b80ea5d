"""What the handlers of all group APIs share."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

from common.ports.group_refusal import GroupClient
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.call import Call
from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

Handler = Callable[[RequestT, Call], Awaitable[ResponseT]]


def coordinated(
    api: Api[RequestT, ResponseT],
) -> Callable[[Handler[RequestT, ResponseT]], Handler[RequestT, ResponseT]]:
    """Answers COORDINATOR_NOT_AVAILABLE where a handler's coordinator does not answer it.

    Clients look for the coordinator again, and ask once more.
    """

    def decorate(handler: Handler[RequestT, ResponseT]) -> Handler[RequestT, ResponseT]:
        @wraps(handler)
        async def handle(request: RequestT, call: Call) -> ResponseT:
            try:
                return await handler(request, call)
            except BackendUnavailable:
                return api.refuse(request, ErrorCode.COORDINATOR_NOT_AVAILABLE)

        return handle

    return decorate


def client_of(call: Call) -> GroupClient:
    """Who is asking, as groups are described: hosts begin with a slash, as InetAddress writes."""
    return GroupClient(call.client_id or "", f"/{call.peer.host}")

"""Functions that dispatch requests of one small API, InitProducerId, and decode their responses."""

import asyncio
from typing import Any

from gateway_svc.dispatch.dispatcher import Dispatcher
from gateway_svc.dispatch.reply import Deferred, Parts, PendingResponse
from gateway_svc.dispatch.route import Operation, Route, overlapping_route
from gateway_svc.wire.apis.init_producer_id import (
    INIT_PRODUCER_ID,
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from gateway_svc.wire.codec import decode, encode
from tests.unit.gateway_svc.handlers.fake_cluster import PEER, FakeCluster

KEY = INIT_PRODUCER_ID.key


def frame(version: int = 1, *, key: int = KEY, correlation_id: int = 7, client: str = "c") -> bytes:
    head = key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big", signed=True)
    head += correlation_id.to_bytes(4, "big") + len(client).to_bytes(2, "big") + client.encode()
    request = InitProducerIdRequest(transactional_id="t", transaction_timeout_ms=5)
    tags = b"\0" if version >= 2 else b""
    return head + tags + b"".join(encode(request, version, version >= 2))


def decode_response(parts: Parts | None, version: int = 1) -> InitProducerIdResponse:
    """Returns the response in `parts`, after a check of its length and correlation id."""
    assert parts is not None
    data = b"".join(parts)
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    assert int.from_bytes(data[4:8], "big") == 7
    begin = 9 if version >= 2 else 8
    response, end = decode(InitProducerIdResponse, data, begin, version, version >= 2)
    assert end == len(data)
    return response


def send_frames(route: Route, *frames: bytes) -> list[Any]:
    """Returns the responses to `frames` of one connection; None for those that have none."""

    async def scenario() -> list[Any]:
        start = Dispatcher({KEY: route}, FakeCluster().backends).connect(PEER)
        responses = []
        for request_frame in frames:
            reply = start(request_frame)
            if isinstance(reply, Deferred):
                reply = reply.start()
            if isinstance(reply, PendingResponse):
                await asyncio.wait([reply.future])
                reply = reply.finish()
            responses.append(reply)
        return responses

    return asyncio.run(scenario())


class DoneOperation(Operation[InitProducerIdResponse]):
    """An operation that is done already; `respond` raises `response` if that is an exception."""

    def __init__(self, response: InitProducerIdResponse | Exception | None) -> None:
        self.future = asyncio.get_running_loop().create_future()
        self.future.set_result(None)
        self.timeout_ms = 1000
        self.response = response

    def respond(self) -> InitProducerIdResponse | None:
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


def overlapping(start: Any, *, expects_response: bool = True) -> Route:
    return overlapping_route(
        INIT_PRODUCER_ID, start, expects_response=lambda request: expects_response
    )


async def broken(*_: object) -> InitProducerIdResponse:
    raise RuntimeError("a bug")

import asyncio
import logging
from typing import Any

import pytest

from gateway_svc.handlers.dispatch import Dispatch
from gateway_svc.handlers.reply import Disconnect, Exclusive, Parts, Pending
from gateway_svc.handlers.route import Alone, Route, Started, overlapping_route, route
from gateway_svc.wire.apis.api_versions import API_VERSIONS, ApiVersionsResponse
from gateway_svc.wire.apis.init_producer_id import (
    INIT_PRODUCER_ID,
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from gateway_svc.wire.codec import decode, encode
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.violations import ProtocolViolation
from tests.unit.gateway_svc.handlers.world import PEER, World

KEY = INIT_PRODUCER_ID.key


def frame(version: int = 1, *, key: int = KEY, correlation_id: int = 7, client: str = "c") -> bytes:
    head = key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big", signed=True)
    head += correlation_id.to_bytes(4, "big") + len(client).to_bytes(2, "big") + client.encode()
    request = InitProducerIdRequest(transactional_id="t", transaction_timeout_ms=5)
    tags = b"\0" if version >= 2 else b""
    return head + tags + b"".join(encode(request, version, version >= 2))


def answered(parts: Parts | None, version: int = 1) -> InitProducerIdResponse:
    """The response in `parts`, whose length and correlation id are checked on the way."""
    assert parts is not None
    data = b"".join(parts)
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    assert int.from_bytes(data[4:8], "big") == 7
    begin = 9 if version >= 2 else 8
    response, end = decode(InitProducerIdResponse, data, begin, version, version >= 2)
    assert end == len(data)
    return response


def asked(route: Route, *frames: bytes) -> list[Any]:
    """What becomes of `frames` on one connection."""

    async def story() -> list[Any]:
        answer = Dispatch({KEY: route}, World().backends).connect(PEER)
        ended = []
        for one in frames:
            reply = answer(one)
            if isinstance(reply, Pending):
                await asyncio.wait([reply.future])
                reply = reply.finish()
            elif isinstance(reply, Exclusive):
                reply = await reply.run()
            ended.append(reply)
        return ended

    return asyncio.run(story())


class Soon(Started[InitProducerIdResponse]):
    def __init__(self, response: InitProducerIdResponse | Exception | None) -> None:
        self.future = asyncio.get_running_loop().create_future()
        self.future.set_result(None)
        self.timeout_ms = 1000
        self.response = response

    def respond(self) -> InitProducerIdResponse | None:
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


def overlapping(start: Any, *, is_answered: bool = True) -> Route:
    return overlapping_route(INIT_PRODUCER_ID, start, is_answered=lambda request: is_answered)


@pytest.mark.parametrize("version", [1, 2])
def test_a_request_reaches_its_handler_and_the_response_its_client(version):
    seen = []

    async def handle(request, call):
        seen.append((request.transactional_id, call.api_version, call.client_id, call.peer))
        return InitProducerIdResponse(producer_id=5)

    (parts,) = asked(route(INIT_PRODUCER_ID, handle), frame(version))
    assert answered(parts, version).producer_id == 5
    assert seen == [("t", version, "c", PEER)]


def test_requests_of_the_same_kind_share_what_is_known_of_their_call():
    calls = []

    async def handle(request, call):
        calls.append(call)
        return InitProducerIdResponse()

    asked(
        route(INIT_PRODUCER_ID, handle),
        *(frame(), frame(), frame(0), frame(), frame(client="d"), frame()),
    )
    assert calls[0] is calls[1] is calls[3]
    assert [one.api_version for one in calls] == [1, 1, 0, 1, 1, 1]
    assert [one.client_id for one in calls] == ["c", "c", "c", "c", "d", "c"]


@pytest.mark.parametrize(
    "start",
    [
        lambda request, call: InitProducerIdResponse(producer_id=6),
        lambda request, call: Soon(InitProducerIdResponse(producer_id=6)),
        lambda request, call: Alone(lambda: answer_later(6)),
    ],
    ids=["at once", "started", "alone after all"],
)
def test_requests_that_may_overlap_choose_their_way(start):
    (parts,) = asked(overlapping(start), frame())
    assert answered(parts).producer_id == 6


async def answer_later(producer_id: int) -> InitProducerIdResponse:
    await asyncio.sleep(0)
    return InitProducerIdResponse(producer_id=producer_id)


def test_a_request_without_an_answer_gets_none():
    assert asked(overlapping(lambda request, call: Soon(None)), frame()) == [None]


async def broken(*_: object) -> InitProducerIdResponse:
    raise RuntimeError("a bug")


def broken_now(*_: object) -> InitProducerIdResponse:
    raise RuntimeError("a bug")


BUGS = [
    pytest.param(route(INIT_PRODUCER_ID, broken), id="alone"),
    pytest.param(overlapping(broken_now), id="at once"),
    pytest.param(overlapping(lambda *_: Soon(RuntimeError("a bug"))), id="started"),
    pytest.param(overlapping(lambda *_: Alone(broken)), id="alone after all"),
    pytest.param(
        overlapping(lambda *_: InitProducerIdResponse(producer_id="no id")), id="encoding"
    ),
]


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_told_to_us_with_a_traceback_and_to_the_client_as_an_error(bug, caplog):
    with caplog.at_level(logging.ERROR):
        (parts,) = asked(bug, frame())
    assert answered(parts).error_code is ErrorCode.UNKNOWN_SERVER_ERROR
    (record,) = caplog.records
    assert record.getMessage() == "InitProducerId v1 from 'c' failed"
    assert record.exc_info


def test_a_bug_in_a_request_without_an_answer_closes_the_connection():
    silent = overlapping(broken_now, is_answered=False)
    with pytest.raises(Disconnect, match="InitProducerId without a response failed"):
        asked(silent, frame())


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(lambda *_: Soon(Disconnect("no")), id="started"),
        pytest.param(lambda *_: Alone(disconnect), id="alone after all"),
        pytest.param(lambda *_: raise_disconnect(), id="at once"),
    ],
)
def test_a_handler_may_close_the_connection(ending):
    with pytest.raises(Disconnect, match="no"):
        asked(overlapping(ending), frame())


async def disconnect() -> InitProducerIdResponse:
    raise Disconnect("no")


def raise_disconnect() -> InitProducerIdResponse:
    raise Disconnect("no")


def test_a_request_whose_time_is_up_is_refused():
    async def story() -> Parts | None:
        start = overlapping(lambda request, call: Soon(InitProducerIdResponse()))
        reply = Dispatch({KEY: start}, World().backends).connect(PEER)(frame())
        assert isinstance(reply, Pending)
        return reply.expire()

    assert answered(asyncio.run(story())).error_code is ErrorCode.REQUEST_TIMED_OUT


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (frame(key=99), "a request of the unknown API 99"),
        (frame(6), "InitProducerId v6 is not supported"),
        (frame(-1, key=KEY), "InitProducerId v-1 is not supported"),
        (b"", "request header"),
        (frame()[:-1], "InitProducerIdRequest v1"),
    ],
)
def test_what_is_no_request_of_a_served_version_is_a_violation(wrong, words):
    with pytest.raises(ProtocolViolation, match=words):
        asked(route(INIT_PRODUCER_ID, broken), wrong)


@pytest.mark.parametrize("version", [5, 99, -1])
def test_an_unknown_version_of_api_versions_is_answered_in_version_0(version):
    head = (18).to_bytes(2, "big") + version.to_bytes(2, "big", signed=True)
    sent = head + (7).to_bytes(4, "big") + b"\xff\xff" + b"whatever that version has"
    dispatch = Dispatch({18: route(API_VERSIONS, broken)}, World().backends)
    parts = dispatch.connect(PEER)(sent)
    assert isinstance(parts, list)
    data = b"".join(parts)
    response, end = decode(ApiVersionsResponse, data, 8, 0, False)
    assert end == len(data)
    assert response.error_code is ErrorCode.UNSUPPORTED_VERSION
    assert [(one.api_key, one.max_version) for one in response.api_keys] == [(18, 4)]

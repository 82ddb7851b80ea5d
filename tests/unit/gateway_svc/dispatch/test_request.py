import asyncio
import logging
import threading

import pytest

from gateway_svc.dispatch.dispatcher import Dispatcher
from gateway_svc.dispatch.reply import Disconnect, Parts, PendingResponse
from gateway_svc.dispatch.request import Request
from gateway_svc.dispatch.route import ExclusiveOperation, exclusive_route
from gateway_svc.wire.apis.describe_groups import (
    DESCRIBE_GROUPS,
    DescribedGroup,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from gateway_svc.wire.apis.init_producer_id import INIT_PRODUCER_ID, InitProducerIdResponse
from gateway_svc.wire.codec import decode, encode
from gateway_svc.wire.error_code import ErrorCode
from tests.unit.gateway_svc.dispatch.send_frames import (
    KEY,
    DoneOperation,
    broken,
    decode_response,
    frame,
    overlapping,
    send_frames,
)
from tests.unit.gateway_svc.handlers.fake_cluster import PEER, FakeCluster


@pytest.mark.parametrize(
    "start",
    [
        lambda request, context: InitProducerIdResponse(producer_id=6),
        lambda request, context: DoneOperation(InitProducerIdResponse(producer_id=6)),
        lambda request, context: ExclusiveOperation(lambda: respond_later(6)),
    ],
    ids=["at once", "started", "exclusive"],
)
def test_overlapping_handler_may_return_a_value_or_an_operation(start):
    (parts,) = send_frames(overlapping(start), frame())
    assert decode_response(parts).producer_id == 6


async def respond_later(producer_id: int) -> InitProducerIdResponse:
    await asyncio.sleep(0)
    return InitProducerIdResponse(producer_id=producer_id)


def test_request_that_expects_no_response_gets_none():
    assert send_frames(overlapping(lambda request, context: DoneOperation(None)), frame()) == [None]


def broken_now(*_: object) -> InitProducerIdResponse:
    raise RuntimeError("a bug")


BUGS = [
    pytest.param(exclusive_route(INIT_PRODUCER_ID, broken), id="exclusive route"),
    pytest.param(overlapping(broken_now), id="at once"),
    pytest.param(overlapping(lambda *_: DoneOperation(RuntimeError("a bug"))), id="started"),
    pytest.param(overlapping(lambda *_: ExclusiveOperation(broken)), id="exclusive"),
    pytest.param(
        overlapping(lambda *_: InitProducerIdResponse(producer_id="no id")), id="encoding"
    ),
]


@pytest.mark.parametrize("bug", BUGS)
def test_bug_is_logged_with_a_traceback_and_returned_as_an_error(bug, caplog):
    with caplog.at_level(logging.ERROR):
        (parts,) = send_frames(bug, frame())
    assert decode_response(parts).error_code is ErrorCode.UNKNOWN_SERVER_ERROR
    (record,) = caplog.records
    assert record.getMessage() == "InitProducerId v1 from 'c' failed"
    assert record.exc_info


def test_bug_in_a_request_that_expects_no_response_closes_the_connection():
    silent = overlapping(broken_now, expects_response=False)
    with pytest.raises(Disconnect, match="InitProducerId without a response failed"):
        send_frames(silent, frame())


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(lambda *_: DoneOperation(Disconnect("no")), id="started"),
        pytest.param(lambda *_: ExclusiveOperation(disconnect), id="exclusive"),
        pytest.param(lambda *_: raise_disconnect(), id="at once"),
    ],
)
def test_handler_may_close_the_connection(ending):
    with pytest.raises(Disconnect, match="no"):
        send_frames(overlapping(ending), frame())


async def disconnect() -> InitProducerIdResponse:
    raise Disconnect("no")


def raise_disconnect() -> InitProducerIdResponse:
    raise Disconnect("no")


def test_expired_request_times_out():
    async def scenario() -> Parts | None:
        start = overlapping(lambda request, context: DoneOperation(InitProducerIdResponse()))
        reply = Dispatcher({KEY: start}, FakeCluster().backends).connect(PEER)(frame())
        assert isinstance(reply, PendingResponse)
        return reply.expire()

    assert decode_response(asyncio.run(scenario())).error_code is ErrorCode.REQUEST_TIMED_OUT


def test_abandon_is_passed_to_the_operation():
    class Abandonable(DoneOperation):
        def abandon(self) -> None:
            abandoned.append(self)

    abandoned: list[DoneOperation] = []

    async def scenario() -> None:
        for start in (Abandonable, DoneOperation):
            route = overlapping(lambda request, context, start=start: start(None))
            reply = Dispatcher({KEY: route}, FakeCluster().backends).connect(PEER)(frame())
            assert isinstance(reply, PendingResponse)
            reply.abandon()

    asyncio.run(scenario())
    assert [type(operation) for operation in abandoned] == [Abandonable]


def test_large_response_is_encoded_in_a_thread_to_the_same_bytes(monkeypatch):
    async def describe_many(request, context):
        groups = [DescribedGroup(group_id=f"{number}") for number in range(request_size)]
        return DescribeGroupsResponse(groups=groups)

    threads = []
    encode_response = Request.encode

    def record_thread(self, respond):
        threads.append(threading.current_thread() is threading.main_thread())
        return encode_response(self, respond)

    monkeypatch.setattr(Request, "encode", record_thread)
    head = bytes((0, 15, 0, 5)) + bytes(4) + b"\0\1c\0"

    async def scenario(group_ids):
        body = b"".join(encode(DescribeGroupsRequest(groups=group_ids), 5, True))
        dispatch = Dispatcher(
            {DESCRIBE_GROUPS.key: exclusive_route(DESCRIBE_GROUPS, describe_many)},
            FakeCluster().backends,
        )
        reply = dispatch.connect(PEER)(head + body).start()
        await asyncio.wait([reply.future])
        return b"".join(reply.finish())

    for request_size, group_ids in ((1000, ["g"]), (1001, ["g"]), (1, ["g" * 30_000] * 3)):
        data = asyncio.run(scenario(group_ids))
        response, end = decode(DescribeGroupsResponse, data, 9, 5, True)
        assert (len(response.groups), end) == (request_size, len(data))
    assert threads == [True, False, False]

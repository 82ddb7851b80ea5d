import pytest

from gateway_svc.dispatch.dispatcher import Dispatcher
from gateway_svc.dispatch.route import exclusive_route
from gateway_svc.wire.apis.api_versions import API_VERSIONS, ApiVersionsResponse
from gateway_svc.wire.apis.init_producer_id import INIT_PRODUCER_ID, InitProducerIdResponse
from gateway_svc.wire.codec import decode
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.violations import ProtocolViolation
from tests.unit.gateway_svc.dispatch.send_frames import (
    KEY,
    broken,
    decode_response,
    frame,
    send_frames,
)
from tests.unit.gateway_svc.handlers.fake_cluster import PEER, FakeCluster


@pytest.mark.parametrize("version", [1, 2])
def test_request_is_passed_to_its_handler_and_the_response_returned(version):
    handled = []

    async def handle(request, context):
        handled.append(
            (request.transactional_id, context.api_version, context.client_id, context.peer)
        )
        return InitProducerIdResponse(producer_id=5)

    (parts,) = send_frames(exclusive_route(INIT_PRODUCER_ID, handle), frame(version))
    assert decode_response(parts, version).producer_id == 5
    assert handled == [("t", version, "c", PEER)]


def test_requests_with_equal_version_and_client_id_share_their_context():
    contexts = []

    async def handle(request, context):
        contexts.append(context)
        return InitProducerIdResponse()

    send_frames(
        exclusive_route(INIT_PRODUCER_ID, handle),
        *(frame(), frame(), frame(0), frame(), frame(client="d"), frame()),
    )
    assert contexts[0] is contexts[1] is contexts[3]
    assert [context.api_version for context in contexts] == [1, 1, 0, 1, 1, 1]
    assert [context.client_id for context in contexts] == ["c", "c", "c", "c", "d", "c"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (frame(key=99), "a request of the unknown API 99"),
        (frame(6), "InitProducerId v6 is not supported"),
        (frame(-1, key=KEY), "InitProducerId v-1 is not supported"),
        (b"", "request header"),
        (frame()[:-1], "InitProducerIdRequest v1"),
    ],
)
def test_invalid_request_frame_is_a_violation(wrong, reason):
    with pytest.raises(ProtocolViolation, match=reason):
        send_frames(exclusive_route(INIT_PRODUCER_ID, broken), wrong)


@pytest.mark.parametrize("version", [5, 99, -1])
def test_unknown_version_of_api_versions_gets_a_response_of_version_0(version):
    head = (18).to_bytes(2, "big") + version.to_bytes(2, "big", signed=True)
    request_frame = head + (7).to_bytes(4, "big") + b"\xff\xff" + b"fields of that version"
    dispatch = Dispatcher({18: exclusive_route(API_VERSIONS, broken)}, FakeCluster().backends)
    parts = dispatch.connect(PEER)(request_frame)
    assert isinstance(parts, list)
    data = b"".join(parts)
    response, end = decode(ApiVersionsResponse, data, 8, 0, False)
    assert end == len(data)
    assert response.error_code is ErrorCode.UNSUPPORTED_VERSION
    assert [(api.api_key, api.max_version) for api in response.api_keys] == [(18, 4)]

import pytest

from gateway_svc.wire.apis.api_versions import (
    API_VERSIONS,
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case

FETCH_ONLY = [ApiVersion(api_key=1, min_version=0, max_version=18)]
WITH_FEATURES = ApiVersionsResponse(
    api_keys=FETCH_ONLY,
    supported_features=[SupportedFeatureKey(name="f", min_version=0, max_version=2)],
    finalized_features_epoch=3,
    finalized_features=[FinalizedFeatureKey(name="f", max_version_level=2, min_version_level=1)],
    zk_migration_ready=True,
)


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(ApiVersionsRequest(), 0, "", id="request v0"),
        pytest.param(
            ApiVersionsRequest(client_software_name="a", client_software_version="1"),
            3,
            "02 61 02 31 00",
            id="request v3",
        ),
        pytest.param(
            ApiVersionsResponse(api_keys=FETCH_ONLY),
            0,
            "0000  00000001 0001 0000 0012",
            id="response v0",
        ),
        pytest.param(
            ApiVersionsResponse(api_keys=FETCH_ONLY, throttle_time_ms=5),
            1,
            "0000  00000001 0001 0000 0012  00000005",
            id="response v1",
        ),
        pytest.param(
            ApiVersionsResponse(api_keys=FETCH_ONLY),
            3,
            "0000  02 0001 0000 0012 00  00000000 00",
            id="response v3",
        ),
        pytest.param(
            WITH_FEATURES,
            4,
            "0000  02 0001 0000 0012 00  00000000"
            "04  00 08 02 02 66 0000 0002 00  01 08 0000000000000003"
            "02 08 02 02 66 0002 0001 00  03 01 01",
            id="response v4",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(API_VERSIONS, message, version, hex_bytes)


def test_refusal_lists_the_supported_versions():
    refusal = API_VERSIONS.refuse(ApiVersionsRequest(), ErrorCode.UNSUPPORTED_VERSION)
    ours = ApiVersion(api_key=18, min_version=0, max_version=API_VERSIONS.version_max)
    assert refusal == ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[ours])

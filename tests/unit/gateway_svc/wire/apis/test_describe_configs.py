import pytest

from gateway_svc.wire.apis.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from gateway_svc.wire.error_code import ErrorCode
from tests.support.wire.cases import check_wire_case

ONE_KEY = DescribeConfigsResource(resource_type=2, resource_name="t", configuration_keys=["k"])
ALL_KEYS = DescribeConfigsResource(resource_type=2, resource_name="t", configuration_keys=None)


def response(**config):
    configs = [DescribeConfigsResourceResult(name="k", value="v", **config)]
    result = DescribeConfigsResult(resource_type=2, resource_name="t", configs=configs)
    return DescribeConfigsResponse(results=[result])


OLD_RESULT = "00000000 00000001 0000 ffff 02 0001 74  00000001 0001 6b 0001 76"


@pytest.mark.parametrize(
    ("message", "version", "hex_bytes"),
    [
        pytest.param(
            DescribeConfigsRequest(resources=[ONE_KEY]),
            0,
            "00000001 02 0001 74  00000001 0001 6b",
            id="request v0",
        ),
        pytest.param(
            DescribeConfigsRequest(resources=[ALL_KEYS], include_synonyms=True),
            1,
            "00000001 02 0001 74  ffffffff  01",
            id="request v1",
        ),
        pytest.param(
            DescribeConfigsRequest(resources=[ALL_KEYS], include_documentation=True),
            4,
            "02 02 02 74 00 00  00 01 00",
            id="request v4",
        ),
        pytest.param(
            response(is_default=True, is_sensitive=True),
            0,
            f"{OLD_RESULT} 00 01 01",
            id="response v0",
        ),
        pytest.param(
            response(
                config_source=5,
                synonyms=[DescribeConfigsSynonym(name="s", value=None, source=5)],
            ),
            1,
            f"{OLD_RESULT} 00 05 00  00000001 0001 73 ffff 05",
            id="response v1",
        ),
        pytest.param(
            response(config_source=1, synonyms=[], config_type=3, documentation="d"),
            4,
            "00000000 02 0000 00 02 02 74  02 02 6b 02 76 00 01 00 01 03 02 64 00  00  00",
            id="response v4",
        ),
    ],
)
def test_wire_image(message, version, hex_bytes):
    check_wire_case(DESCRIBE_CONFIGS, message, version, hex_bytes)


def test_refusal_lists_every_resource():
    request = DescribeConfigsRequest(resources=[ONE_KEY, ALL_KEYS])
    refusal = DESCRIBE_CONFIGS.refuse(request, ErrorCode.INVALID_REQUEST)
    refused = DescribeConfigsResult(
        error_code=ErrorCode.INVALID_REQUEST, resource_type=2, resource_name="t"
    )
    assert refusal == DescribeConfigsResponse(results=[refused, refused])

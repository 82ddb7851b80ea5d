"""DescribeConfigs (key 32), versions 0-4: the settings of topics and brokers, and their sources.

Versions:
    0: is_default says whether a setting was set (KIP-133)
    1: config_source instead, and synonyms (KIP-226)
    2: response sent before throttling (KIP-219)
    3: config_type and documentation (KIP-569)
    4: flexible encoding (KIP-482)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import BOOL, ERROR_CODE, INT8, INT32, STRING, ArrayOf, message, wire


@message
class DescribeConfigsResource:
    """`resource_type`: 2 topic, 4 broker (`ConfigResource.Type`). No `configuration_keys`: all."""

    resource_type: int = wire(INT8)
    resource_name: str = wire(STRING)
    configuration_keys: Sequence[str] | None = wire(ArrayOf(STRING), nullable_since=0)


@message
class DescribeConfigsRequest:
    resources: Sequence[DescribeConfigsResource] = wire(ArrayOf(DescribeConfigsResource))
    include_synonyms: bool = wire(BOOL, since=1, default=False)
    include_documentation: bool = wire(BOOL, since=3, default=False)


@message
class DescribeConfigsSynonym:
    """`source` as in `DescribeConfigsResponse.ConfigSource`."""

    name: str = wire(STRING)
    value: str | None = wire(STRING, nullable_since=0)
    source: int = wire(INT8)


@message
class DescribeConfigsResourceResult:
    """Sources are those of `DescribeConfigsResponse.ConfigSource`, types of its `ConfigType`."""

    name: str = wire(STRING)
    value: str | None = wire(STRING, nullable_since=0)
    read_only: bool = wire(BOOL, default=False)
    is_default: bool = wire(BOOL, until=0, default=False)
    config_source: int = wire(INT8, since=1, default=-1)
    is_sensitive: bool = wire(BOOL, default=False)
    synonyms: Sequence[DescribeConfigsSynonym] = wire(
        ArrayOf(DescribeConfigsSynonym), since=1, default=()
    )
    config_type: int = wire(INT8, since=3, default=0)
    documentation: str | None = wire(STRING, since=3, nullable_since=0, default=None)


@message
class DescribeConfigsResult:
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, nullable_since=0, default=None)
    resource_type: int = wire(INT8)
    resource_name: str = wire(STRING)
    configs: Sequence[DescribeConfigsResourceResult] = wire(
        ArrayOf(DescribeConfigsResourceResult), default=()
    )


@message
class DescribeConfigsResponse:
    throttle_time_ms: int = wire(INT32, default=0)
    results: Sequence[DescribeConfigsResult] = wire(ArrayOf(DescribeConfigsResult))


def _refuse(request: DescribeConfigsRequest, error_code: ErrorCode) -> DescribeConfigsResponse:
    return DescribeConfigsResponse(
        results=[
            DescribeConfigsResult(
                error_code=error_code,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
            for resource in request.resources
        ]
    )


DESCRIBE_CONFIGS = Api(
    key=32,
    name="DescribeConfigs",
    version_min=0,
    version_max=4,
    flexible_since=4,
    request=DescribeConfigsRequest,
    response=DescribeConfigsResponse,
    refuse=_refuse,
)

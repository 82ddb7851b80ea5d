"""ApiVersions (key 18), versions 0-4: which APIs we speak, in which versions.

The first request of nearly every client. A request of an unknown version gets a response all the
same, with version 0, UNSUPPORTED_VERSION and our own range of ApiVersions (KIP-511).

Versions:
    1: throttle_time_ms in the response
    2: response sent before throttling (KIP-219)
    3: flexible encoding (KIP-482); the client's software; features (KIP-511, KIP-584)
    4: a feature's min_version may be 0 (KAFKA-17011)
"""

from collections.abc import Sequence

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import (
    BOOL,
    ERROR_CODE,
    INT16,
    INT32,
    INT64,
    STRING,
    ArrayOf,
    message,
    wire,
)

_KEY = 18
_VERSION_MAX = 4


@message
class ApiVersionsRequest:
    client_software_name: str = wire(STRING, since=3, default="")
    client_software_version: str = wire(STRING, since=3, default="")


@message
class ApiVersion:
    api_key: int = wire(INT16)
    min_version: int = wire(INT16)
    max_version: int = wire(INT16)


@message
class SupportedFeatureKey:
    """Leave out features whose `min_version` is 0 below version 4: its clients stumble on them."""

    name: str = wire(STRING)
    min_version: int = wire(INT16)
    max_version: int = wire(INT16)


@message
class FinalizedFeatureKey:
    name: str = wire(STRING)
    max_version_level: int = wire(INT16)
    min_version_level: int = wire(INT16)


@message
class ApiVersionsResponse:
    """`finalized_features_epoch` -1: `finalized_features` is not known."""

    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    api_keys: Sequence[ApiVersion] = wire(ArrayOf(ApiVersion))
    throttle_time_ms: int = wire(INT32, since=1, default=0)
    supported_features: Sequence[SupportedFeatureKey] = wire(
        ArrayOf(SupportedFeatureKey), since=3, tag=0, default=()
    )
    finalized_features_epoch: int = wire(INT64, since=3, tag=1, default=-1)
    finalized_features: Sequence[FinalizedFeatureKey] = wire(
        ArrayOf(FinalizedFeatureKey), since=3, tag=2, default=()
    )
    zk_migration_ready: bool = wire(BOOL, since=3, tag=3, default=False)


def _refuse(request: ApiVersionsRequest, error_code: ErrorCode) -> ApiVersionsResponse:
    """Names our range of this very API, so that the client can ask again (KIP-511)."""
    ours = ApiVersion(api_key=_KEY, min_version=0, max_version=_VERSION_MAX)
    return ApiVersionsResponse(error_code=error_code, api_keys=[ours])


API_VERSIONS = Api(
    key=_KEY,
    name="ApiVersions",
    version_min=0,
    version_max=_VERSION_MAX,
    flexible_since=3,
    request=ApiVersionsRequest,
    response=ApiVersionsResponse,
    refuse=_refuse,
)

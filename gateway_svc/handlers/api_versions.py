"""ApiVersions: the served APIs and versions, and the features that clients look for.

Supported features (KIP-584) with minimum version 0 are listed from version 4 on only, because
earlier clients cannot parse them. Finalized features are listed in all versions.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from gateway_svc.dispatch.context import RequestContext
from gateway_svc.wire.api import Api
from gateway_svc.wire.apis.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)
from gateway_svc.wire.error_code import ErrorCode

#: First version with the client's software name and version (KIP-511).
_SOFTWARE_SINCE: Final = 3

#: First version in which a feature's minimum version may be 0.
_ZERO_SINCE: Final = 4

#: Consumer groups (KIP-848) are served.
_SUPPORTED: Final = (SupportedFeatureKey(name="group.version", min_version=0, max_version=1),)
_FINALIZED: Final = (
    FinalizedFeatureKey(name="group.version", min_version_level=1, max_version_level=1),
)

#: ApiVersionsRequest.isValid.
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def api_versions_of(
    apis: Iterable[Api[Any, Any]],
) -> Callable[[ApiVersionsRequest, RequestContext], Awaitable[ApiVersionsResponse]]:
    """Returns the handler of a gateway that serves `apis`."""
    served = [
        ApiVersion(api_key=api.key, min_version=api.version_min, max_version=api.version_max)
        for api in sorted(apis, key=lambda api: api.key)
    ]

    async def api_versions(
        request: ApiVersionsRequest, context: RequestContext
    ) -> ApiVersionsResponse:
        if context.api_version >= _SOFTWARE_SINCE and not _has_valid_software(request):
            return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST, api_keys=[])
        return ApiVersionsResponse(
            api_keys=served,
            supported_features=_SUPPORTED if context.api_version >= _ZERO_SINCE else (),
            finalized_features_epoch=0,
            finalized_features=_FINALIZED,
        )

    return api_versions


def _has_valid_software(request: ApiVersionsRequest) -> bool:
    names = (request.client_software_name, request.client_software_version)
    return all(_SOFTWARE.fullmatch(name) is not None for name in names)

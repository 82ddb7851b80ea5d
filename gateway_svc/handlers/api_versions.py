"""ApiVersions: tells what is served. No features are told of, for there are none."""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from gateway_svc.handlers.call import Call
from gateway_svc.wire.api import Api
from gateway_svc.wire.apis.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from gateway_svc.wire.error_code import ErrorCode

#: Since this version clients say what they are (KIP-511).
_SOFTWARE_SINCE: Final = 3

#: ApiVersionsRequest.isValid.
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def api_versions_of(
    apis: Iterable[Api[Any, Any]],
) -> Callable[[ApiVersionsRequest, Call], Awaitable[ApiVersionsResponse]]:
    """The handler for a gateway that serves `apis`."""
    served = [
        ApiVersion(api_key=api.key, min_version=api.version_min, max_version=api.version_max)
        for api in sorted(apis, key=lambda api: api.key)
    ]

    async def api_versions(request: ApiVersionsRequest, call: Call) -> ApiVersionsResponse:
        if call.api_version >= _SOFTWARE_SINCE and not _is_named_well(request):
            return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST, api_keys=[])
        return ApiVersionsResponse(api_keys=served)

    return api_versions


def _is_named_well(request: ApiVersionsRequest) -> bool:
    names = (request.client_software_name, request.client_software_version)
    return all(_SOFTWARE.fullmatch(name) is not None for name in names)

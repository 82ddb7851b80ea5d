"""FindCoordinator (key 10), versions 0-6: the broker that coordinates a group.

Versions:
    0: one key, of a group
    1: key_type, error_message and throttle_time_ms (KIP-98)
    2: response sent before throttling (KIP-219)
    3: flexible encoding (KIP-482)
    4: several keys in one request (KIP-699)
    5: TRANSACTION_ABORTABLE may be returned (KIP-890)
    6: key type 2, share groups (KIP-932)
"""

from collections.abc import Sequence
from typing import Final

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT8, INT32, STRING, ArrayOf, message, wire

#: Key types.
GROUP: Final = 0
TRANSACTION: Final = 1
SHARE: Final = 2


@message
class FindCoordinatorRequest:
    """`key` up to version 3, `coordinator_keys` from 4 on."""

    key: str = wire(STRING, until=3, default="")
    key_type: int = wire(INT8, since=1, default=GROUP)
    coordinator_keys: Sequence[str] = wire(ArrayOf(STRING), since=4, default=())


@message
class Coordinator:
    """Address of the coordinator of `key`; node -1 with an error."""

    key: str = wire(STRING)
    node_id: int = wire(INT32)
    host: str = wire(STRING)
    port: int = wire(INT32)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, default=None, nullable_since=4)


@message
class FindCoordinatorResponse:
    """One coordinator's fields up to version 3, `coordinators` from 4 on."""

    throttle_time_ms: int = wire(INT32, since=1, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, until=3, default=ErrorCode.NONE)
    error_message: str | None = wire(STRING, since=1, until=3, default=None, nullable_since=1)
    node_id: int = wire(INT32, until=3, default=-1)
    host: str = wire(STRING, until=3, default="")
    port: int = wire(INT32, until=3, default=-1)
    coordinators: Sequence[Coordinator] = wire(ArrayOf(Coordinator), since=4, default=())


def _refuse(request: FindCoordinatorRequest, error_code: ErrorCode) -> FindCoordinatorResponse:
    return FindCoordinatorResponse(
        error_code=error_code,
        coordinators=[
            Coordinator(key=key, node_id=-1, host="", port=-1, error_code=error_code)
            for key in request.coordinator_keys
        ],
    )


FIND_COORDINATOR = Api(
    key=10,
    name="FindCoordinator",
    version_min=0,
    version_max=6,
    flexible_since=3,
    request=FindCoordinatorRequest,
    response=FindCoordinatorResponse,
    refuse=_refuse,
)

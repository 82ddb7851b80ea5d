"""InitProducerId (key 22), versions 0-5: an id that identifies the batches of a producer.

Versions:
    1: response sent before throttling (KIP-219)
    2: flexible encoding (KIP-482)
    3: producer_id and producer_epoch in the request, to go on after an error (KIP-360)
    4: PRODUCER_FENCED may be returned (KIP-588)
    5: TRANSACTION_ABORTABLE may be returned (KIP-890)
"""

from gateway_svc.wire.api import Api
from gateway_svc.wire.error_code import ErrorCode
from gateway_svc.wire.schema import ERROR_CODE, INT16, INT32, INT64, STRING, message, wire


@message
class InitProducerIdRequest:
    """`transactional_id` None: idempotence only."""

    transactional_id: str | None = wire(STRING, nullable_since=0)
    transaction_timeout_ms: int = wire(INT32)
    producer_id: int = wire(INT64, since=3, default=-1)
    producer_epoch: int = wire(INT16, since=3, default=-1)


@message
class InitProducerIdResponse:
    throttle_time_ms: int = wire(INT32, default=0)
    error_code: ErrorCode = wire(ERROR_CODE, default=ErrorCode.NONE)
    producer_id: int = wire(INT64, default=-1)
    producer_epoch: int = wire(INT16, default=-1)


def _refuse(request: InitProducerIdRequest, error_code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=error_code)


INIT_PRODUCER_ID = Api(
    key=22,
    name="InitProducerId",
    version_min=0,
    version_max=5,
    flexible_since=2,
    request=InitProducerIdRequest,
    response=InitProducerIdResponse,
    refuse=_refuse,
)

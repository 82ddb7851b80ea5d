"""InitProducerId: a fresh producer id for an idempotent producer.

There are no transactions: a transactional id is refused for good, so that its client fails at once
with a reason instead of trying again.
"""

from typing import Final

from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.call import Call
from gateway_svc.wire.apis.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from gateway_svc.wire.error_code import ErrorCode

_FIRST_EPOCH: Final = 0


async def init_producer_id(request: InitProducerIdRequest, call: Call) -> InitProducerIdResponse:
    """Always a fresh id without a transactional id, whatever the client had before (S-67).

    TransactionCoordinator.handleInitProducerId does the same: only a transactional producer's epoch
    is bumped by the broker.
    """
    if request.transactional_id is not None:
        # The client library stops at this code; retriable ones would make it try for ever.
        return InitProducerIdResponse(error_code=ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    try:
        producer_id = await call.backends.producer_ids.take()
    except BackendUnavailable:
        return InitProducerIdResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=_FIRST_EPOCH)

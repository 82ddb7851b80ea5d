"""InitProducerId: a producer id for an idempotent producer. Transactions are not served.

A producer without a transactional id gets a fresh id and epoch 0 whatever it had before
(TransactionCoordinator.handleInitProducerId); KIP-360's bump of an epoch is for transactions.
"""

import logging
from typing import Final

from common.ports.unavailable import BackendUnavailable
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.wire.apis.init_producer_id import (
    INIT_PRODUCER_ID,
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from gateway_svc.wire.error_code import ErrorCode

log = logging.getLogger(__name__)

_NONE: Final = -1


async def init_producer_id(
    request: InitProducerIdRequest, context: RequestContext
) -> InitProducerIdResponse:
    error_code = _refusal(request, context)
    if error_code is not ErrorCode.NONE:
        return INIT_PRODUCER_ID.refuse(request, error_code)
    try:
        producer_id = await context.backends.producer_ids.next_id()
    except BackendUnavailable:
        # Apache Kafka responds so while it waits for a block of ids: clients retry.
        return INIT_PRODUCER_ID.refuse(request, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)


def _refusal(request: InitProducerIdRequest, context: RequestContext) -> ErrorCode:
    if request.transactional_id == "":
        return ErrorCode.INVALID_REQUEST
    if request.transactional_id is not None:
        # Fatal for all clients. librdkafka retries most other errors, such as UNSUPPORTED_VERSION,
        # forever (rdkafka_idempotence.c, rd_kafka_idemp_check_error).
        log.info(
            "refused transactional producer %r of %s: transactions are not supported",
            request.transactional_id,
            context.peer,
        )
        return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    if (request.producer_id == _NONE) != (request.producer_epoch == _NONE):
        return ErrorCode.INVALID_REQUEST
    return ErrorCode.NONE

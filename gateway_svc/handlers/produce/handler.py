"""Produce: appends batches at the owners of their partitions, and responds when they are stored.

Requests of one connection overlap: `produce` starts the appends at once and in order, and the
response is built when they are done. Only requests whose records must be converted first run
exclusively on their connection.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Final

from common.config.topic_configs import effective_int
from common.ports.partitions import ACKS_ALL, ACKS_LEADER, ACKS_NONE, Append, AppendResult
from common.ports.unavailable import BackendUnavailable
from gateway_svc.cluster.current_leaders import CurrentLeaders
from gateway_svc.dispatch.context import RequestContext
from gateway_svc.dispatch.error_codes import APPEND_ERRORS
from gateway_svc.dispatch.lookup import resolve_partition
from gateway_svc.dispatch.reply import Disconnect
from gateway_svc.dispatch.route import ExclusiveOperation, Operation
from gateway_svc.handlers.produce.records import (
    Batch,
    NotAppended,
    check_batch,
    convert_to_batch,
)
from gateway_svc.handlers.produce.response_template import TEMPLATE_SINCE, response_template
from gateway_svc.wire.apis.produce import (
    PRODUCE,
    BatchIndexAndErrorMessage,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from gateway_svc.wire.envelope import Encoded
from gateway_svc.wire.error_code import ErrorCode

#: First version with record batches; older ones carry message sets (KIP-98).
_BATCHES_SINCE: Final = 3
#: Since this version topics are named by their ids (KIP-516).
_TOPIC_IDS_SINCE: Final = 13

#: Shortest timeout: connections check their timeouts about once a second.
_TIMEOUT_MS_MIN: Final = 1000


def expects_response(request: ProduceRequest) -> bool:
    return request.acks != ACKS_NONE


def produce(
    request: ProduceRequest, context: RequestContext
) -> ProduceResponse | Operation[ProduceResponse] | ExclusiveOperation[ProduceResponse] | None:
    refused = _refusal_of_all(request)
    if refused is not None:
        return _or_nothing(request, PRODUCE.refuse(request, refused))
    if context.api_version < _BATCHES_SINCE:
        return ExclusiveOperation(lambda: _produce_converted(request, context))
    return ProduceOperation(request, context).start()


async def _produce_converted(
    request: ProduceRequest, context: RequestContext
) -> ProduceResponse | Encoded | None:
    batches = [
        await _converted(partition, topic, context)
        for topic in request.topic_data
        for partition in topic.partition_data
    ]
    begun = ProduceOperation(request, context, iter(batches)).start()
    if not isinstance(begun, ProduceOperation):
        return begun
    await asyncio.wait([begun.future], timeout=begun.timeout_ms / 1000)
    if not begun.future.done():
        return _or_nothing(request, PRODUCE.refuse(request, ErrorCode.REQUEST_TIMED_OUT))
    return begun.respond()


async def _converted(
    partition: PartitionProduceData, topic: TopicProduceData, context: RequestContext
) -> Batch:
    """Converts the records of a partition to a batch, unless the partition does not exist."""
    view = context.backends.view
    found = resolve_partition(view, _named_topic(topic, context), partition.index)
    if isinstance(found, ErrorCode):
        return NotAppended(found)
    records, version = partition.records, context.api_version
    limit = effective_int("max.message.bytes", found.topic.configs, view.broker_configs)
    return await context.backends.conversions.run(
        lambda count: convert_to_batch(records, version, limit, count)
    )


def _refusal_of_all(request: ProduceRequest) -> ErrorCode | None:
    if request.acks not in (ACKS_ALL, ACKS_LEADER, ACKS_NONE):
        return ErrorCode.INVALID_REQUIRED_ACKS
    if request.transactional_id is not None:
        # Transactions are not served: transactional producers get no id from InitProducerId.
        return ErrorCode.INVALID_TXN_STATE
    return None


class ProduceOperation(Operation[ProduceResponse]):
    """Pending appends, and the errors of the partitions that are not appended to."""

    __slots__ = ("_appends", "_context", "_converted", "_early", "_request")

    def __init__(
        self,
        request: ProduceRequest,
        context: RequestContext,
        converted: Iterator[Batch] | None = None,
    ) -> None:
        """`converted`: the converted batches of the partitions, in their order."""
        self._request = request
        self._context = context
        self._converted = converted
        # By partition in the order of the request; None: an append is pending.
        self._early: list[NotAppended | None] = []
        self._appends: list[Append] = []
        for topic in request.topic_data:
            self._add_topic(topic)

    def start(self) -> "ProduceOperation | ProduceResponse | None":
        """Starts the appends, or returns the response if there are none."""
        if not self._appends:
            return _or_nothing(self._request, self._response([]))
        self.timeout_ms = timeout_ms(self._request.timeout_ms)
        partitions = self._context.backends.partitions
        self.future = partitions.append(self._appends, acks=self._request.acks)
        return self

    def _add_topic(self, topic: TopicProduceData) -> None:
        name_or_id, view = _named_topic(topic, self._context), self._context.backends.view
        version, converted = self._context.api_version, self._converted
        for partition in topic.partition_data:
            batch = next(converted) if converted else check_batch(partition.records, version)
            found = resolve_partition(view, name_or_id, partition.index)
            if isinstance(found, ErrorCode):
                self._early.append(NotAppended(found))
            elif isinstance(batch, NotAppended):
                self._early.append(batch)
            else:
                self._early.append(None)
                self._appends.append(Append(found.log, batch, found.leader_epoch))

    def respond(self) -> ProduceResponse | Encoded | None:
        try:
            results: list[AppendResult] = self.future.result()
        except BackendUnavailable as error:
            return self.fail(error)
        return self.complete(results)

    def fail(self, error: BackendUnavailable) -> ProduceResponse | None:
        """Responds REQUEST_TIMED_OUT: the outcome is unknown, and producers retry."""
        unknown = NotAppended(ErrorCode.REQUEST_TIMED_OUT, str(error))
        self._early = [known or unknown for known in self._early]
        return _or_nothing(self._request, self._response([]))

    def complete(self, results: Sequence[AppendResult]) -> ProduceResponse | Encoded | None:
        """Responds with the results of the appends, in their order."""
        if len(results) == len(self._early) == 1 and results[0].refusal is None:
            return self._stored(results[0])
        return _or_nothing(self._request, self._response(results))

    def _stored(self, result: AppendResult) -> ProduceResponse | Encoded | None:
        """The response to a single stored batch, which most requests carry."""
        version = self._context.api_version
        if version < TEMPLATE_SINCE or not expects_response(self._request):
            return _or_nothing(self._request, self._response([result]))
        (topic,) = self._request.topic_data
        (partition,) = topic.partition_data
        response = response_template(version, topic.name, topic.topic_id, partition.index)
        return response.body(result)

    def _response(self, results: Sequence[AppendResult]) -> ProduceResponse:
        leaders = CurrentLeaders(self._context)
        early = iter(self._early)
        appends_done = map(_appended, self._appends, results, repeat(leaders))
        topics = []
        for topic in self._request.topic_data:
            partitions = []
            for partition in topic.partition_data:
                known = next(early)
                partitions.append(
                    next(appends_done) if known is None else _not_appended(partition.index, known)
                )
            topics.append(
                TopicProduceResponse(
                    name=topic.name, topic_id=topic.topic_id, partition_responses=partitions
                )
            )
        return ProduceResponse(responses=topics, node_endpoints=_endpoints(leaders))


def timeout_ms(requested_ms: int) -> int:
    """Time to wait for appends, from the timeout of the request."""
    return max(requested_ms, _TIMEOUT_MS_MIN)


def _named_topic(topic: TopicProduceData, context: RequestContext) -> str | bytes:
    """Returns the topic's name, or its id in versions that use ids."""
    return topic.name if context.api_version < _TOPIC_IDS_SINCE else topic.topic_id


def _appended(
    append: Append, result: AppendResult, leaders: CurrentLeaders
) -> PartitionProduceResponse:
    if result.refusal is None:
        return PartitionProduceResponse(
            index=append.log.partition,
            base_offset=result.base_offset,
            log_append_time_ms=result.log_append_time_ms,
            log_start_offset=result.log_start_offset,
        )
    error_code = APPEND_ERRORS[result.refusal]
    return PartitionProduceResponse(
        index=append.log.partition,
        error_code=error_code,
        error_message=result.message,
        log_start_offset=result.log_start_offset,
        record_errors=[
            BatchIndexAndErrorMessage(
                batch_index=error.batch_index, batch_index_error_message=error.message
            )
            for error in result.record_errors
        ],
        current_leader=_leader(append, result, leaders)
        if error_code is ErrorCode.NOT_LEADER_OR_FOLLOWER
        else None,
    )


def _leader(append: Append, result: AppendResult, leaders: CurrentLeaders) -> LeaderIdAndEpoch:
    leader_id, epoch = leaders.leader_of(append.log, result.leader_epoch)
    return LeaderIdAndEpoch(leader_id=leader_id, leader_epoch=epoch)


def _endpoints(leaders: CurrentLeaders) -> Sequence[NodeEndpoint]:
    """Addresses of the brokers that the response names."""
    return [
        NodeEndpoint(node_id=broker.node_id, host=broker.host, port=broker.port, rack=broker.rack)
        for broker in leaders.endpoints.values()
    ]


def _not_appended(index: int, known: NotAppended) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index, error_code=known.error_code, error_message=known.message
    )


def _or_nothing(request: ProduceRequest, response: ProduceResponse) -> ProduceResponse | None:
    """Returns the response, or None with acks=0, where an error closes the connection."""
    if expects_response(request):
        return response
    for topic in response.responses:
        for partition in topic.partition_responses:
            if partition.error_code is not ErrorCode.NONE:
                raise Disconnect(
                    f"Produce without a response: {partition.error_code.name} for partition"
                    f" {partition.index}"
                    f" of {topic.name or topic.topic_id.hex()}"
                )
    return None

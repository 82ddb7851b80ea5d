"""Produce: hands batches to the owners of their partitions, and answers when they are stored.

Requests of one connection overlap: `produce` starts the appends at once and in order, and the
response is made when they are done. Only requests whose records must be converted first have
their connection for themselves.
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
    checked_batch,
    converted_batch,
)
from gateway_svc.handlers.produce.response_template import STORED_RESPONSE_SINCE, stored_response
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

#: Versions below carry message sets (KIP-98).
_BATCHES_SINCE: Final = 3
#: Since this version topics are named by their ids (KIP-516).
_TOPIC_IDS_SINCE: Final = 13

#: Less is not told from this: connections look at the time about once a second.
_TIMEOUT_MS_MIN: Final = 1000


def is_answered(request: ProduceRequest) -> bool:
    return request.acks != ACKS_NONE


def produce(
    request: ProduceRequest, context: RequestContext
) -> ProduceResponse | Operation[ProduceResponse] | ExclusiveOperation[ProduceResponse] | None:
    refused = _refusal_of_all(request)
    if refused is not None:
        return _spoken(request, PRODUCE.refuse(request, refused))
    if context.api_version < _BATCHES_SINCE:
        return ExclusiveOperation(lambda: _produce_converted(request, context))
    return Appending(request, context).start()


async def _produce_converted(
    request: ProduceRequest, context: RequestContext
) -> ProduceResponse | Encoded | None:
    batches = [
        await _converted(partition, topic, context)
        for topic in request.topic_data
        for partition in topic.partition_data
    ]
    begun = Appending(request, context, iter(batches)).start()
    if not isinstance(begun, Appending):
        return begun
    await asyncio.wait([begun.future], timeout=begun.timeout_ms / 1000)
    if not begun.future.done():
        return _spoken(request, PRODUCE.refuse(request, ErrorCode.REQUEST_TIMED_OUT))
    return begun.respond()


async def _converted(
    partition: PartitionProduceData, asked: TopicProduceData, context: RequestContext
) -> Batch:
    """What a partition carries, as a batch; nothing is opened where there is no such partition."""
    view = context.backends.view
    found = resolve_partition(view, _named_topic(asked, context), partition.index)
    if isinstance(found, ErrorCode):
        return NotAppended(found)
    records, version = partition.records, context.api_version
    limit = effective_int("max.message.bytes", found.topic.configs, view.broker_configs)
    return await context.backends.conversions.run(
        lambda count: converted_batch(records, version, limit, count)
    )


def _refusal_of_all(request: ProduceRequest) -> ErrorCode | None:
    if request.acks not in (ACKS_ALL, ACKS_LEADER, ACKS_NONE):
        return ErrorCode.INVALID_REQUIRED_ACKS
    if request.transactional_id is not None:
        # None was ever begun: transactional producers get no id from InitProducerId.
        return ErrorCode.INVALID_TXN_STATE
    return None


class Appending(Operation[ProduceResponse]):
    """Appends under way, and what is known already of the partitions that need none."""

    __slots__ = ("_appends", "_context", "_converted", "_early", "_request")

    def __init__(
        self,
        request: ProduceRequest,
        context: RequestContext,
        converted: Iterator[Batch] | None = None,
    ) -> None:
        """`converted` are batches made of what the partitions carry, in their order."""
        self._request = request
        self._context = context
        self._converted = converted
        # By partition in the order of the request; None: an append is under way.
        self._early: list[NotAppended | None] = []
        self._appends: list[Append] = []
        for topic in request.topic_data:
            self._begin_topic(topic)

    def start(self) -> "Appending | ProduceResponse | None":
        """Starts the appends, or answers where there are none."""
        if not self._appends:
            return _spoken(self._request, self._response([]))
        self.timeout_ms = timeout_ms(self._request.timeout_ms)
        partitions = self._context.backends.partitions
        self.future = partitions.append(self._appends, acks=self._request.acks)
        return self

    def _begin_topic(self, asked: TopicProduceData) -> None:
        topic, view = _named_topic(asked, self._context), self._context.backends.view
        version, converted = self._context.api_version, self._converted
        for partition in asked.partition_data:
            batch = next(converted) if converted else checked_batch(partition.records, version)
            found = resolve_partition(view, topic, partition.index)
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
            return self.lost(error)
        return self.done(results)

    def lost(self, error: BackendUnavailable) -> ProduceResponse | None:
        """Not known whether it was stored, as after any time-out: producers try again."""
        lost = NotAppended(ErrorCode.REQUEST_TIMED_OUT, str(error))
        self._early = [known or lost for known in self._early]
        return _spoken(self._request, self._response([]))

    def done(self, results: Sequence[AppendResult]) -> ProduceResponse | Encoded | None:
        """With what became of the appends, in their order."""
        if len(results) == len(self._early) == 1 and results[0].refusal is None:
            return self._stored(results[0])
        return _spoken(self._request, self._response(results))

    def _stored(self, result: AppendResult) -> ProduceResponse | Encoded | None:
        """The response to one stored batch: what most requests of many clients are about."""
        version = self._context.api_version
        if version < STORED_RESPONSE_SINCE or not is_answered(self._request):
            return _spoken(self._request, self._response([result]))
        (topic,) = self._request.topic_data
        (partition,) = topic.partition_data
        response = stored_response(version, topic.name, topic.topic_id, partition.index)
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


def timeout_ms(asked: int) -> int:
    """How long appends are waited for, where a request says so."""
    return max(asked, _TIMEOUT_MS_MIN)


def _named_topic(topic: TopicProduceData, context: RequestContext) -> str | bytes:
    """Returns the topic's name, or its id in versions that name topics so."""
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
                batch_index=one.batch_index, batch_index_error_message=one.message
            )
            for one in result.record_errors
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
        NodeEndpoint(node_id=one.node_id, host=one.host, port=one.port, rack=one.rack)
        for one in leaders.endpoints.values()
    ]


def _not_appended(index: int, known: NotAppended) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index, error_code=known.error_code, error_message=known.message
    )


def _spoken(request: ProduceRequest, response: ProduceResponse) -> ProduceResponse | None:
    """With acks=0 there is no response, and an error is told by closing the connection."""
    if is_answered(request):
        return response
    for topic in response.responses:
        for one in topic.partition_responses:
            if one.error_code is not ErrorCode.NONE:
                raise Disconnect(
                    f"Produce without a response: {one.error_code.name} for partition {one.index}"
                    f" of {topic.name or topic.topic_id.hex()}"
                )
    return None

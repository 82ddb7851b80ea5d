"""Produce of one batch, which most requests are, without the codec: read, appended, answered.

It says what `produce` says. Whatever is not usual is left to that: requests of another shape from
the start, and the response where the batch is not stored.
"""

from typing import Final

from common.ports.partitions import ACKS_ALL, ACKS_LEADER, Append, AppendResult, LogId
from common.ports.unavailable import BackendUnavailable
from gateway_svc.handlers.call import Call
from gateway_svc.handlers.produce import Appending, timeout_ms
from gateway_svc.handlers.produced_records import NotAppended, checked_batch
from gateway_svc.handlers.route import Started
from gateway_svc.handlers.stored_response import stored_response
from gateway_svc.wire.apis.produce import PRODUCE, ProduceResponse
from gateway_svc.wire.envelope import Encoded, RequestHeader, read_request
from gateway_svc.wire.schema import ZERO_UUID
from gateway_svc.wire.single_batch import SingleBatch, read_single_batch

_ANSWERED: Final = (ACKS_ALL, ACKS_LEADER)
_new_tuple: Final = tuple.__new__


def produce_single_batch(
    frame: bytes | memoryview, header: RequestHeader, call: Call
) -> Started[ProduceResponse] | None:
    """The append under way; None where `produce` is to take the request."""
    offset = header.body_offset
    # Tagged fields of the header, of which there are none.
    if frame[offset : offset + 1] != b"\0":
        return None
    asked = read_single_batch(frame, offset + 1, header.api_version)
    if asked is None or asked.acks not in _ANSWERED:
        return None
    name = asked.topic
    view = call.backends.view
    topic = view.topic(name) if isinstance(name, str) else view.topic_by_id(name)
    if topic is None or not 0 <= asked.partition < len(topic.partitions):
        return None
    batch = checked_batch(asked.records, header.api_version)
    if isinstance(batch, NotAppended):
        return None
    epoch = topic.partitions[asked.partition].leader_epoch
    log = _new_tuple(LogId, (topic.topic_id, asked.partition))
    append = Append(log, batch, epoch)
    return _SingleAppend(frame, header, call, asked, append)


class _SingleAppend(Started[ProduceResponse]):
    __slots__ = ("_asked", "_call", "_frame", "_header", "_position")

    def __init__(
        self,
        frame: bytes | memoryview,
        header: RequestHeader,
        call: Call,
        asked: SingleBatch,
        append: Append,
    ) -> None:
        self._frame = frame
        self._header = header
        self._call = call
        self._asked = asked
        self.timeout_ms = timeout_ms(asked.timeout_ms)
        self.future, self._position = call.backends.partitions.append_one(append, acks=asked.acks)

    def respond(self) -> ProduceResponse | Encoded | None:
        asked, version = self._asked, self._header.api_version
        try:
            stored: AppendResult = self.future.result()[self._position]
        except BackendUnavailable as error:
            return self._long_way().lost(error)
        if stored.refusal is not None:
            return self._long_way().done([stored])
        if isinstance(asked.topic, str):
            return stored_response(version, asked.topic, ZERO_UUID, asked.partition, stored)
        return stored_response(version, "", asked.topic, asked.partition, stored)

    def _long_way(self) -> Appending:
        return Appending(read_request(PRODUCE, self._header, self._frame), self._call)

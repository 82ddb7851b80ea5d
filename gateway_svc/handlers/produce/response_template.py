"""The response to a Produce request of one batch that was stored, made without the codec's work.

Most responses of many clients are this one, and differ from their last one in three numbers that
lie side by side. So the codec writes it once for each version and partition, and from then on only
these are put in. Knows the shape of no version: it finds the place by what the codec wrote.
"""

from functools import lru_cache
from struct import Struct
from typing import Final

from common.ports.partitions import AppendResult
from gateway_svc.wire.apis.produce import (
    PRODUCE,
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)
from gateway_svc.wire.codec import encode
from gateway_svc.wire.envelope import CORRELATION_END, CORRELATION_START, Encoded, write_response

#: From this version on the response ends its numbers with log_start_offset (KIP-107).
STORED_RESPONSE_SINCE: Final = 5

#: base_offset, log_append_time_ms, log_start_offset.
_NUMBERS: Final = Struct(">qqq")
#: Stands for them in what is written once. No topic's name or id can hold it.
_MARK: Final = (0x6D61726B_00000001, 0x6D61726B_00000002, 0x6D61726B_00000003)
_REMEMBERED_MAX: Final = 4096
_pack_numbers: Final = _NUMBERS.pack


class StoredResponse:
    """For a request that named its topic `name` or `topic_id`, whichever `version` has."""

    __slots__ = ("_after", "_before", "_frame_before", "_frame_size")

    def __init__(self, version: int, name: str, topic_id: bytes, partition: int) -> None:
        base_offset, log_append_time_ms, log_start_offset = _MARK
        stored = PartitionProduceResponse(
            index=partition,
            base_offset=base_offset,
            log_append_time_ms=log_append_time_ms,
            log_start_offset=log_start_offset,
        )
        topic = TopicProduceResponse(name=name, topic_id=topic_id, partition_responses=[stored])
        response = ProduceResponse(responses=[topic])
        body = b"".join(encode(response, version, PRODUCE.is_flexible(version)))
        self._before, mark, self._after = body.partition(_NUMBERS.pack(*_MARK))
        assert mark, f"Produce v{version} does not hold its numbers side by side"
        frame = b"".join(write_response(PRODUCE, version, 0, body))
        self._frame_size = frame[:CORRELATION_START]
        self._frame_before = frame[CORRELATION_END : -len(body)] + self._before

    def body(self, stored: AppendResult) -> Encoded:
        """The response alone."""
        numbers = _pack_numbers(
            stored.base_offset, stored.log_append_time_ms, stored.log_start_offset
        )
        return self._before + numbers + self._after

    def frame(self, request: bytes, stored: AppendResult) -> bytes:
        """The response with its header and the length prefix, to the request in a frame."""
        numbers = _pack_numbers(
            stored.base_offset, stored.log_append_time_ms, stored.log_start_offset
        )
        return b"".join(
            (
                self._frame_size,
                request[CORRELATION_START:CORRELATION_END],
                self._frame_before,
                numbers,
                self._after,
            )
        )


#: The one to use again: as `StoredResponse`.
stored_response: Final = lru_cache(_REMEMBERED_MAX)(StoredResponse)

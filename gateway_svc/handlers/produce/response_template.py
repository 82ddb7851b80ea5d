"""Template of the response to a Produce request with one stored batch.

Such responses for one partition differ in three adjacent numbers only. The codec encodes one for
each version and partition; later ones are made by filling in the numbers. The template finds their
position in the codec's output, so it depends on no version's layout.
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

#: First version whose numbers end with log_start_offset (KIP-107).
TEMPLATE_SINCE: Final = 5

#: base_offset, log_append_time_ms, log_start_offset.
_NUMBERS: Final = Struct(">qqq")
#: Placeholder for them in the template. No topic's name or id can contain it.
_MARK: Final = (0x6D61726B_00000001, 0x6D61726B_00000002, 0x6D61726B_00000003)
_CACHED_MAX: Final = 4096
_pack_numbers: Final = _NUMBERS.pack


class ResponseTemplate:
    """Response to a request for `name` or `topic_id`, whichever `version` uses."""

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
        """The response body."""
        numbers = _pack_numbers(
            stored.base_offset, stored.log_append_time_ms, stored.log_start_offset
        )
        return self._before + numbers + self._after

    def frame(self, request: bytes, stored: AppendResult) -> bytes:
        """The response with length prefix and header, to the request in a frame."""
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


#: Cached `ResponseTemplate`.
response_template: Final = lru_cache(_CACHED_MAX)(ResponseTemplate)

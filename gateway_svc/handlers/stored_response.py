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
from gateway_svc.wire.envelope import Encoded

#: From this version on the response ends its numbers with log_start_offset (KIP-107).
STORED_RESPONSE_SINCE: Final = 5

#: base_offset, log_append_time_ms, log_start_offset.
_NUMBERS: Final = Struct(">qqq")
#: Stands for them in what is written once. No topic's name or id can hold it.
_MARK: Final = (0x6D61726B_00000001, 0x6D61726B_00000002, 0x6D61726B_00000003)
_REMEMBERED_MAX: Final = 4096


def stored_response(
    version: int, name: str, topic_id: bytes, partition: int, result: AppendResult
) -> Encoded:
    """For a request that named its topic `name` or `topic_id`, whichever `version` has."""
    before, after = _around(version, name, topic_id, partition)
    numbers = _NUMBERS.pack(result.base_offset, result.log_append_time_ms, result.log_start_offset)
    return before + numbers + after


@lru_cache(_REMEMBERED_MAX)
def _around(version: int, name: str, topic_id: bytes, partition: int) -> tuple[bytes, bytes]:
    """The bytes of the response before and after the three numbers."""
    base_offset, log_append_time_ms, log_start_offset = _MARK
    stored = PartitionProduceResponse(
        index=partition,
        base_offset=base_offset,
        log_append_time_ms=log_append_time_ms,
        log_start_offset=log_start_offset,
    )
    topic = TopicProduceResponse(name=name, topic_id=topic_id, partition_responses=[stored])
    written = encode(ProduceResponse(responses=[topic]), version, PRODUCE.is_flexible(version))
    before, mark, after = b"".join(written).partition(_NUMBERS.pack(*_MARK))
    assert mark, f"Produce v{version} does not hold its numbers side by side"
    return before, after

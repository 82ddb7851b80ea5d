"""Parses responses to `requests`, as little of them as an honest benchmark has to.

Checks every error code, and decodes nothing else. Produce responses without errors always have the
same length, so one struct unpacks a chunk of them.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple


class WrongResponse(Exception):
    """Raised for an error or an unexpected response, which invalidates the measurement."""


def produce_response(topic: str) -> struct.Struct:
    """Layout of a Produce v9 response: length, correlation id, partition, error, base offset.

    From the length prefix to the last tag, for one partition that stored its batch.
    """
    before_partition = 1 + 1 + (1 + len(topic.encode())) + 1
    log_append_time_and_start, no_record_errors, no_message = 8 + 8, 1, 1
    after_base_offset = log_append_time_and_start + no_record_errors + no_message + 2 + 4 + 1
    return struct.Struct(f">ii{before_partition}xihq{after_base_offset}x")


class FetchedPartition(NamedTuple):
    """Start and end of one partition's records in a response."""

    partition: int
    high_watermark: int
    records_start: int
    records_end: int


def fetched_partitions(response: memoryview) -> Iterator[FetchedPartition]:
    """Partitions of a Fetch v12 response (length prefix included) for one topic.

    Raises:
        WrongResponse: an error code that is not 0.
    """
    correlation_end = 8
    at = correlation_end + 1
    _check("Fetch", struct.unpack_from(">h", response, at + 4)[0])
    at += 4 + 2 + 4
    topic_count, at = _uvarint(response, at)
    if topic_count != 1 + 1:
        raise WrongResponse(f"Fetch returned {topic_count - 1} topics instead of one")
    name_length, at = _uvarint(response, at)
    partition_count, at = _uvarint(response, at + name_length - 1)
    for _ in range(partition_count - 1):
        fetched, at = _fetched_partition(response, at)
        yield fetched


def _fetched_partition(response: memoryview, at: int) -> tuple[FetchedPartition, int]:
    partition, error, high_watermark = struct.unpack_from(">ihq", response, at)
    _check(f"Fetch of partition {partition}", error)
    aborted, at = _uvarint(response, at + 4 + 2 + 8 + 8 + 8)
    if aborted > 1:
        raise WrongResponse("Fetch returned aborted transactions, of which there are none")
    records_length, start = _uvarint(response, at + 4)
    end = start + max(records_length - 1, 0)
    tag_count, after = _uvarint(response, end)
    for _ in range(tag_count):
        _, after = _uvarint(response, after)
        size, after = _uvarint(response, after)
        after += size
    return FetchedPartition(partition, high_watermark, start, end), after


def complete_batches_end(response: memoryview, start: int, end: int) -> int:
    """End of the last complete batch in `response[start:end]`.

    Apache Kafka cuts the records of a partition at the limit of bytes, in the middle of a batch.

    Raises:
        WrongResponse: records without a complete batch, so that a reader would make no progress.
    """
    at, length_end = start, 8 + 4
    while end - at >= length_end:
        (length,) = struct.unpack_from(">i", response, at + 8)
        if at + length_end + length > end:
            break
        at += length_end + length
    if at == start < end:
        raise WrongResponse("the records of a partition contain no complete batch")
    return at


def walk_batches(response: memoryview, start: int, end: int, expected_offset: int) -> int:
    """Offset after the last batch in `response[start:end]`; `expected_offset` where there is none.

    Raises:
        WrongResponse: a batch that does not follow the one before it, or is cut off.
    """
    while start < end:
        base_offset, length = struct.unpack_from(">qi", response, start)
        (last_offset_delta,) = struct.unpack_from(">i", response, start + 23)
        if base_offset != expected_offset:
            raise WrongResponse(f"batch at offset {base_offset}, expected {expected_offset}")
        expected_offset = base_offset + last_offset_delta + 1
        start += 12 + length
    if start != end:
        raise WrongResponse("the last batch of a partition is cut off")
    return expected_offset


def check_topic_created(response: bytes) -> None:
    """Checks a CreateTopics v2 response for one topic, without the length prefix."""
    name_length = struct.unpack_from(">h", response, 12)[0]
    _check("CreateTopics", struct.unpack_from(">h", response, 14 + name_length)[0])


def check_topics_deleted(response: bytes) -> None:
    """Checks a DeleteTopics v1 response, without the length prefix."""
    (topic_count,) = struct.unpack_from(">i", response, 8)
    at = 12
    for _ in range(topic_count):
        at += 2 + struct.unpack_from(">h", response, at)[0]
        _check("DeleteTopics", struct.unpack_from(">h", response, at)[0])
        at += 2


def check_api_versions(response: bytes) -> None:
    """Checks an ApiVersions v0 response, without the length prefix."""
    _check("ApiVersions", struct.unpack_from(">h", response, 4)[0])


def _check(what: str, error_code: int) -> None:
    if error_code:
        raise WrongResponse(f"{what} returned error code {error_code}")


def _uvarint(buffer: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7

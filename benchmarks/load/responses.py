"""Reads what `requests` asked for: as little as a benchmark may look at and still be honest.

Every error code is checked; nothing else is decoded. An answer to Produce without errors always
has the same length, so a whole chunk of them is unpacked by one struct.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple


class WrongResponse(Exception):
    """The broker refused, or answered something that was not asked: the measurement is void."""


def produce_answer(topic: str) -> struct.Struct:
    """Layout of a Produce v9 answer: length, correlation id, partition, error, base offset.

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


def fetched_partitions(answer: memoryview) -> Iterator[FetchedPartition]:
    """Partitions of a Fetch v12 answer (length prefix included) for one topic.

    Raises:
        WrongResponse: an error code that is not 0.
    """
    correlation_end = 8
    at = correlation_end + 1
    _check("Fetch", struct.unpack_from(">h", answer, at + 4)[0])
    at += 4 + 2 + 4
    topic_count, at = _uvarint(answer, at)
    if topic_count != 1 + 1:
        raise WrongResponse(f"Fetch answered {topic_count - 1} topics, asked for one")
    name_length, at = _uvarint(answer, at)
    partition_count, at = _uvarint(answer, at + name_length - 1)
    for _ in range(partition_count - 1):
        fetched, at = _fetched_partition(answer, at)
        yield fetched


def _fetched_partition(answer: memoryview, at: int) -> tuple[FetchedPartition, int]:
    partition, error, high_watermark = struct.unpack_from(">ihq", answer, at)
    _check(f"Fetch of partition {partition}", error)
    aborted, at = _uvarint(answer, at + 4 + 2 + 8 + 8 + 8)
    if aborted > 1:
        raise WrongResponse("Fetch answered aborted transactions where there were none")
    records_length, start = _uvarint(answer, at + 4)
    end = start + max(records_length - 1, 0)
    tag_count, after = _uvarint(answer, end)
    for _ in range(tag_count):
        _, after = _uvarint(answer, after)
        size, after = _uvarint(answer, after)
        after += size
    return FetchedPartition(partition, high_watermark, start, end), after


def whole_batches_end(answer: memoryview, start: int, end: int) -> int:
    """End of the last whole batch in `answer[start:end]`.

    Apache Kafka cuts the records of a partition at the limit of bytes, in the middle of a batch.

    Raises:
        WrongResponse: records without a whole batch, so that a reader would never get further.
    """
    at, length_end = start, 8 + 4
    while end - at >= length_end:
        (length,) = struct.unpack_from(">i", answer, at + 8)
        if at + length_end + length > end:
            break
        at += length_end + length
    if at == start < end:
        raise WrongResponse("the records of a partition hold no whole batch")
    return at


def walk_batches(answer: memoryview, start: int, end: int, expected_offset: int) -> int:
    """Offset after the last batch in `answer[start:end]`; `expected_offset` where there is none.

    Raises:
        WrongResponse: a batch that does not follow the one before it, or is cut off.
    """
    while start < end:
        base_offset, length = struct.unpack_from(">qi", answer, start)
        (last_offset_delta,) = struct.unpack_from(">i", answer, start + 23)
        if base_offset != expected_offset:
            raise WrongResponse(f"batch at offset {base_offset}, expected {expected_offset}")
        expected_offset = base_offset + last_offset_delta + 1
        start += 12 + length
    if start != end:
        raise WrongResponse("the last batch of a partition is cut off")
    return expected_offset


def check_topic_created(answer: bytes) -> None:
    """Checks a CreateTopics v2 answer for one topic, without the length prefix."""
    name_length = struct.unpack_from(">h", answer, 12)[0]
    _check("CreateTopics", struct.unpack_from(">h", answer, 14 + name_length)[0])


def check_topics_deleted(answer: bytes) -> None:
    """Checks a DeleteTopics v1 answer, without the length prefix."""
    (topic_count,) = struct.unpack_from(">i", answer, 8)
    at = 12
    for _ in range(topic_count):
        at += 2 + struct.unpack_from(">h", answer, at)[0]
        _check("DeleteTopics", struct.unpack_from(">h", answer, at)[0])
        at += 2


def check_api_versions(answer: bytes) -> None:
    """Checks an ApiVersions v0 answer, without the length prefix."""
    _check("ApiVersions", struct.unpack_from(">h", answer, 4)[0])


def _check(what: str, error_code: int) -> None:
    if error_code:
        raise WrongResponse(f"{what} answered error code {error_code}")


def _uvarint(buffer: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7

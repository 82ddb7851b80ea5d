"""Rules about the records of a batch, and the changes that a topic makes (Kafka's LogValidator).

Examining a batch takes about half a microsecond for each record, so it is done only if the topic
or the header requires it (`must_examine`).
"""

from collections.abc import Callable, Sequence
from typing import Final

from common.ports.partitions import AppendResult, RecordError, Refusal
from common.records.batch import (
    CODEC_MASK,
    HEADER_BYTES,
    LOG_APPEND_TIME,
    NO_TIMESTAMP,
    BatchHeader,
    parse_header,
    seal,
)
from common.records.compression import codec_of, compress
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.examine import NAMED_MAX, TIMESTAMP_MAX, Constraints, Findings, examine
from common.records.records import inflate
from partition_svc.log.log_config import FOREVER, LogConfig

_Bytes = bytes | memoryview

#: A batch that may be stored, and its header.
ValidBatch = tuple[_Bytes, BatchHeader]

#: The timestamps of records do not matter if the log sets its own (LogAppendTime).
_ANY_TIME: Final = Constraints(-1 << 63, TIMESTAMP_MAX)
#: Number of records whose refusal has a message of its own.
_EXPLAINED_MAX: Final = 20
_NO_KEY: Final = "Compacted topic cannot accept message without key."


def must_examine(header: BatchHeader, config: LogConfig, now_ms: int, *, has_keys: bool) -> bool:
    """Returns True if the header is not enough to accept the batch.

    With `has_keys` the batch was made in this process, and only its timestamps can be wrong.
    """
    if not config.is_log_append_time:
        if config.timestamp_before_max_ms < FOREVER:
            return True
        # sarama before 1.45.1 does not set max_timestamp, and Apache Kafka does not trust it.
        latest_ms = now_ms + config.timestamp_after_max_ms
        if not NO_TIMESTAMP <= header.base_timestamp <= header.max_timestamp <= latest_ms:
            return True
    if config.codec is not None and config.codec != header.codec:
        return True
    return (config.is_compacted or config.validates_records) and not has_keys


def apply_record_rules(  # noqa: PLR0913 - a batch, its rules and its limits
    batch: _Bytes,
    header: BatchHeader,
    config: LogConfig,
    now_ms: int,
    *,
    has_keys: bool = False,
    inflated_max: int | None = None,
    headers_max: int | None = None,
    pause: Callable[[], None] | None = None,
) -> ValidBatch | AppendResult:
    """Returns the batch with the changes of the topic, or the refusal of the whole batch.

    The header gets the newest timestamp of the records, whatever the producer wrote there, and the
    topic's timestamp type. See `inflate` and `examine` for `inflated_max`, `headers_max`, `pause`.
    """
    constraints = _constraints(config, now_ms, needs_keys=config.is_compacted and not has_keys)
    try:
        data = inflate(batch, header, bytes_max=inflated_max)
        findings = examine(data, header, constraints, headers_max=headers_max, pause=pause)
    except CorruptRecords as error:
        # The CRC is right, so a retry would not help; CORRUPT_MESSAGE would cause one.
        return AppendResult(refusal=Refusal.INVALID_RECORD, message=str(error))
    except UnsupportedRecords as error:
        return AppendResult(refusal=Refusal.UNSUPPORTED_COMPRESSION_TYPE, message=str(error))
    if findings.missing_keys:
        return _refuse_missing_keys(findings)
    if findings.wrong_times:
        return _refuse_wrong_times(findings, constraints)
    changed = _changed_header(header, findings, config)
    if changed == header:
        return batch, header
    body: _Bytes = memoryview(batch)[HEADER_BYTES:]
    if changed.codec != header.codec:
        body = compress(codec_of(changed.attributes), data)
    stored = seal(changed, body)
    return stored, parse_header(stored)


def _constraints(config: LogConfig, now_ms: int, *, needs_keys: bool) -> Constraints:
    if config.is_log_append_time:
        return _ANY_TIME._replace(has_keys=needs_keys)
    earliest = max(0, now_ms - config.timestamp_before_max_ms)
    latest = min(now_ms + config.timestamp_after_max_ms, TIMESTAMP_MAX)
    return Constraints(earliest, latest, needs_keys)


def _changed_header(header: BatchHeader, findings: Findings, config: LogConfig) -> BatchHeader:
    attributes = header.attributes
    if config.codec is not None:
        attributes = attributes & ~CODEC_MASK | config.codec
    if config.is_log_append_time:
        return header._replace(attributes=attributes)
    return header._replace(
        attributes=attributes & ~LOG_APPEND_TIME, max_timestamp=findings.max_timestamp
    )


def _refuse_missing_keys(findings: Findings) -> AppendResult:
    named = [(index, _NO_KEY) for index in findings.missing_keys]
    return _refused(Refusal.INVALID_RECORD, _NO_KEY, named)


def _refuse_wrong_times(findings: Findings, constraints: Constraints) -> AppendResult:
    allowed = f"it must be from {constraints.earliest} to {constraints.latest}"
    named = [
        (index, f"the timestamp {timestamp} is out of range: {allowed}")
        for index, timestamp in findings.wrong_times
    ]
    message = f"timestamps of records are out of range: {allowed}"
    return _refused(Refusal.INVALID_TIMESTAMP, message, named)


def stamped_by_producer(header: BatchHeader) -> AppendResult:
    """Returns the refusal of a batch that claims LogAppendTime; only the broker may set it."""
    message = "producers may not stamp LogAppendTime"
    named = [(index, message) for index in range(min(header.record_count, NAMED_MAX))]
    return _refused(Refusal.INVALID_TIMESTAMP, message, named)


def _refused(refusal: Refusal, message: str, named: Sequence[tuple[int, str]]) -> AppendResult:
    """Returns a refusal that names records (KIP-467), the first of them with a message each."""
    return AppendResult(
        refusal=refusal,
        message=message,
        record_errors=tuple(
            RecordError(index, its_message if number < _EXPLAINED_MAX else None)
            for number, (index, its_message) in enumerate(named)
        ),
    )

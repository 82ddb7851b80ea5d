"""What is checked and changed inside of a batch: LogValidator's rules about records.

Opening a batch costs about half a microsecond for each record, so it is done only where the topic
or the header asks for it (`must_examine`).
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
from common.records.examine import NAMED_MAX, TIMESTAMP_MAX, Demands, Findings, examine
from common.records.records import inflate
from partition_svc.log.log_config import FOREVER, LogConfig

_Bytes = bytes | memoryview

#: A batch as it may be stored, and its header.
ValidBatch = tuple[_Bytes, BatchHeader]

#: Any time of 64 bits will do where the log stamps records.
_ANY_TIME: Final = Demands(-1 << 63, TIMESTAMP_MAX)
#: Records that are refused with words.
_EXPLAINED_MAX: Final = 20
_NO_KEY: Final = "Compacted topic cannot accept message without key."


def must_examine(header: BatchHeader, config: LogConfig, now_ms: int, *, has_keys: bool) -> bool:
    """Returns whether the header alone does not tell what becomes of the batch.

    With `has_keys` the batch was made in this process, and only its times are in doubt.
    """
    if not config.is_log_append_time:
        if config.timestamp_before_max_ms < FOREVER:
            return True
        # Not filled in by sarama before 1.45.1; and Apache Kafka does not believe it anyway.
        latest_ms = now_ms + config.timestamp_after_max_ms
        if not NO_TIMESTAMP <= header.base_timestamp <= header.max_timestamp <= latest_ms:
            return True
    if config.codec is not None and config.codec != header.codec:
        return True
    return (config.is_compacted or config.validates_records) and not has_keys


def apply_record_rules(  # noqa: PLR0913 - a batch, what it is judged by, and how
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
    """The batch as the topic wants it, or why the whole of it is refused.

    Its header tells the newest time of its records, whatever the producer wrote there, and the
    timestamp type is the topic's. `inflated_max`, `headers_max` and `pause`: see `inflate` and
    `examine`.
    """
    demands = _demands(config, now_ms, needs_keys=config.is_compacted and not has_keys)
    try:
        data = inflate(batch, header, bytes_max=inflated_max)
        findings = examine(data, header, demands, headers_max=headers_max, pause=pause)
    except CorruptRecords as error:
        # Its CRC is right, so sending it once more would not help: CORRUPT_MESSAGE is retriable.
        return AppendResult(refusal=Refusal.INVALID_RECORD, message=str(error))
    except UnsupportedRecords as error:
        return AppendResult(refusal=Refusal.UNSUPPORTED_COMPRESSION_TYPE, message=str(error))
    if findings.missing_keys:
        return _keys_are_missing(findings)
    if findings.wrong_times:
        return _times_are_wrong(findings, demands)
    changed = _changed_header(header, findings, config)
    if changed == header:
        return batch, header
    body: _Bytes = memoryview(batch)[HEADER_BYTES:]
    if changed.codec != header.codec:
        body = compress(codec_of(changed.attributes), data)
    stored = seal(changed, body)
    return stored, parse_header(stored)


def _demands(config: LogConfig, now_ms: int, *, needs_keys: bool) -> Demands:
    if config.is_log_append_time:
        return _ANY_TIME._replace(has_keys=needs_keys)
    earliest = max(0, now_ms - config.timestamp_before_max_ms)
    latest = min(now_ms + config.timestamp_after_max_ms, TIMESTAMP_MAX)
    return Demands(earliest, latest, needs_keys)


def _changed_header(header: BatchHeader, findings: Findings, config: LogConfig) -> BatchHeader:
    attributes = header.attributes
    if config.codec is not None:
        attributes = attributes & ~CODEC_MASK | config.codec
    if config.is_log_append_time:
        return header._replace(attributes=attributes)
    return header._replace(
        attributes=attributes & ~LOG_APPEND_TIME, max_timestamp=findings.max_timestamp
    )


def _keys_are_missing(findings: Findings) -> AppendResult:
    named = [(index, _NO_KEY) for index in findings.missing_keys]
    return _refused(Refusal.INVALID_RECORD, _NO_KEY, named)


def _times_are_wrong(findings: Findings, demands: Demands) -> AppendResult:
    allowed = f"it must be from {demands.earliest} to {demands.latest}"
    named = [
        (index, f"the timestamp {timestamp} is out of range: {allowed}")
        for index, timestamp in findings.wrong_times
    ]
    message = f"timestamps of records are out of range: {allowed}"
    return _refused(Refusal.INVALID_TIMESTAMP, message, named)


def stamped_by_producer(header: BatchHeader) -> AppendResult:
    """Refuses a batch whose producer claims to be the log of a topic with LogAppendTime."""
    message = "producers may not stamp LogAppendTime"
    named = [(index, message) for index in range(min(header.record_count, NAMED_MAX))]
    return _refused(Refusal.INVALID_TIMESTAMP, message, named)


def _refused(refusal: Refusal, message: str, named: Sequence[tuple[int, str]]) -> AppendResult:
    """Names records (KIP-467), only the first of them with a message of their own."""
    return AppendResult(
        refusal=refusal,
        message=message,
        record_errors=tuple(
            RecordError(index, its_message if number < _EXPLAINED_MAX else None)
            for number, (index, its_message) in enumerate(named)
        ),
    )

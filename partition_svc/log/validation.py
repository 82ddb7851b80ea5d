"""What makes a batch acceptable to a topic: LogValidator's rules.

The usual batch is checked by its header alone and kept as it came. Only where a topic asks for it
are records opened; that is `record_rules`' business.
"""

from typing import Final

from common.ports.partitions import AppendResult, Refusal
from common.records.batch import (
    HEADER_BYTES,
    LOG_APPEND_TIME,
    TRANSACTIONAL,
    BatchHeader,
    Flaw,
    HeaderFields,
    check,
    parse_header,
    seal,
    stamp_log_append_time,
    usual_header,
)
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.search import latest
from partition_svc.log.log_config import LogConfig
from partition_svc.log.record_rules import apply_record_rules

_Bytes = bytes | memoryview

#: A batch as it may be stored, and its header.
Accepted = tuple[_Bytes, BatchHeader]

#: Attributes that take the usual batch off the fast path.
_UNUSUAL: Final = LOG_APPEND_TIME | TRANSACTIONAL

_REFUSALS: Final = {
    Flaw.TRUNCATED: Refusal.CORRUPT_BATCH,
    Flaw.CRC_MISMATCH: Refusal.CORRUPT_BATCH,
    Flaw.UNKNOWN_CODEC: Refusal.UNSUPPORTED_COMPRESSION,
}


def validate_usual(batch: _Bytes, config: LogConfig, now_ms: int) -> HeaderFields | None:
    """The header of a batch that may be stored as it is; what most are, in half of the time.

    None: `validate` says what becomes of it.
    """
    if not config.is_plain or len(batch) > config.message_bytes_max:
        return None
    fields = usual_header(batch)
    if fields is None:
        return None
    base_timestamp, max_timestamp = fields[7:9]
    latest_ms = now_ms + config.timestamp_after_max_ms
    return fields if base_timestamp <= max_timestamp <= latest_ms else None


def validate(
    batch: _Bytes, config: LogConfig, now_ms: int, *, has_keys: bool = False
) -> Accepted | AppendResult:
    """The batch to store, which is `batch` itself unless the topic changes batches; or why not.

    With `has_keys` it is known that no record is without a key.
    """
    if len(batch) > config.message_bytes_max:
        return _too_large(len(batch), config)
    header = check(batch)
    if isinstance(header, Flaw):
        return refused(_REFUSALS.get(header, Refusal.INVALID_RECORD), header.value)
    if header.max_timestamp < header.base_timestamp and not config.is_log_append_time:
        told = _with_max_timestamp(batch, header)
        if isinstance(told, AppendResult):
            return told
        batch, header = told
    latest_ms = now_ms + config.timestamp_after_max_ms
    if config.is_plain and header.max_timestamp <= latest_ms and not header.attributes & _UNUSUAL:
        return batch, header
    refusal = _refusal_by_header(header, config, now_ms)
    return refusal or _changed(batch, header, config, now_ms, has_keys=has_keys)


def _refusal_by_header(header: BatchHeader, config: LogConfig, now_ms: int) -> AppendResult | None:
    if header.attributes & TRANSACTIONAL:
        return refused(Refusal.INVALID_RECORD, "there are no transactions")
    if config.is_log_append_time:
        if header.attributes & LOG_APPEND_TIME:
            return refused(Refusal.INVALID_TIMESTAMP, "producers may not stamp LogAppendTime")
    elif header.max_timestamp > now_ms + config.timestamp_after_max_ms:
        return refused(Refusal.INVALID_TIMESTAMP, _timestamp_message(header, config, now_ms))
    return None


def refused(refusal: Refusal, message: str | None = None) -> AppendResult:
    return AppendResult(refusal=refusal, message=message)


def _changed(
    batch: _Bytes, header: BatchHeader, config: LogConfig, now_ms: int, *, has_keys: bool
) -> Accepted | AppendResult:
    """The slow path: what the topic checks inside of batches, and changes in them."""
    if config.reads_records:
        outcome = apply_record_rules(batch, header, config, now_ms, has_keys=has_keys)
        if isinstance(outcome, AppendResult):
            return outcome
        batch = outcome
    if config.is_log_append_time:
        batch = stamp_log_append_time(batch, now_ms)
    elif header.attributes & LOG_APPEND_TIME:
        batch = _with_create_time(batch)
    if len(batch) > config.message_bytes_max:
        return _too_large(len(batch), config)
    return batch, parse_header(batch)


def _with_create_time(batch: _Bytes) -> bytes:
    """Takes away the timestamp type that a client may not choose (LogValidator does so)."""
    header = parse_header(batch)
    kept = header._replace(attributes=header.attributes & ~LOG_APPEND_TIME)
    return seal(kept, memoryview(batch)[HEADER_BYTES:])


def _with_max_timestamp(batch: _Bytes, header: BatchHeader) -> Accepted | AppendResult:
    """The batch with the time that its producer did not fill in, from its records.

    sarama leaves -1 there before 1.45.1. Without it no offset could be found by time; Apache Kafka
    computes it for every batch, which costs opening it.
    """
    plain = header._replace(attributes=header.attributes & ~LOG_APPEND_TIME)
    body = memoryview(batch)[HEADER_BYTES:]
    try:
        max_timestamp = latest(seal(plain, body)).timestamp
    except CorruptRecords as error:
        return refused(Refusal.CORRUPT_BATCH, str(error))
    except UnsupportedRecords as error:
        return refused(Refusal.UNSUPPORTED_COMPRESSION, str(error))
    told = seal(plain._replace(max_timestamp=max_timestamp), body)
    return told, parse_header(told)


def _too_large(size: int, config: LogConfig) -> AppendResult:
    return refused(
        Refusal.BATCH_TOO_LARGE,
        f"the batch has {size} bytes, max.message.bytes is {config.message_bytes_max}",
    )


def _timestamp_message(header: BatchHeader, config: LogConfig, now_ms: int) -> str:
    ahead_ms = header.max_timestamp - now_ms
    return (
        f"timestamp {header.max_timestamp} is {ahead_ms} ms in the future, "
        f"message.timestamp.after.max.ms is {config.timestamp_after_max_ms}"
    )

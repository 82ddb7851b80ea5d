"""What makes a batch acceptable to a topic: LogValidator's rules.

The usual batch is checked by its header alone and kept as it came. Where that does not do its
records are examined, which is `record_rules`' business: at once where that is short, and otherwise
by the caller, in a thread.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from common.ports.partitions import AppendResult, Refusal
from common.records.batch import (
    HEADER_BYTES,
    LOG_APPEND_TIME,
    NO_TIMESTAMP,
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
from partition_svc.log.log_config import LogConfig
from partition_svc.log.validation.record_rules import (
    ValidBatch,
    apply_record_rules,
    must_examine,
    stamped_by_producer,
)

_Bytes = bytes | memoryview

#: What is opened at once has at most so many records, as many headers, and so many bytes, also
#: decompressed: below a millisecond.
_RECORDS_AT_ONCE: Final = 1000
_BYTES_AT_ONCE: Final = 256 << 10

_REFUSALS: Final = {
    Flaw.CRC_MISMATCH: Refusal.CORRUPT_BATCH,
    Flaw.UNKNOWN_CODEC: Refusal.UNSUPPORTED_COMPRESSION,
}


class UnexaminedBatch(NamedTuple):
    """A batch that takes too long to be examined on the event loop. Its header is sound."""

    batch: _Bytes
    header: BatchHeader
    config: LogConfig
    now_ms: int
    has_keys: bool

    def open(self, pause: Callable[[], None] | None = None) -> ValidBatch | AppendResult:
        """As `validate`, whatever it takes; in a thread, with `pause` as for `examine`."""
        return _opened(self, pause)


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
    return fields if NO_TIMESTAMP <= base_timestamp <= max_timestamp <= latest_ms else None


def validate(
    batch: _Bytes, config: LogConfig, now_ms: int, *, has_keys: bool = False
) -> ValidBatch | AppendResult | UnexaminedBatch:
    """The batch to store, which is `batch` itself unless the topic changes batches; or why not.

    With `has_keys` this process made the batch, and no record is without a key.
    """
    if len(batch) > config.message_bytes_max:
        return _too_large(len(batch), config)
    header = check(batch)
    if isinstance(header, Flaw):
        return refused(_REFUSALS.get(header, Refusal.INVALID_RECORD), header.value)
    refusal = _refusal_by_header(header, config)
    if refusal is not None:
        return refusal
    if must_examine(header, config, now_ms, has_keys=has_keys):
        unexamined = UnexaminedBatch(batch, header, config, now_ms, has_keys)
        return _opened_at_once(unexamined) or unexamined
    return _stamped(batch, header, config, now_ms)


def _refusal_by_header(header: BatchHeader, config: LogConfig) -> AppendResult | None:
    if header.attributes & TRANSACTIONAL:
        return refused(Refusal.INVALID_RECORD, "there are no transactions")
    if config.is_log_append_time and header.attributes & LOG_APPEND_TIME:
        return stamped_by_producer(header)
    return None


def refused(refusal: Refusal, message: str | None = None) -> AppendResult:
    return AppendResult(refusal=refusal, message=message)


def _opened_at_once(unexamined: UnexaminedBatch) -> ValidBatch | AppendResult | None:
    """None where that takes too long."""
    batch, header = unexamined.batch, unexamined.header
    if header.record_count > _RECORDS_AT_ONCE or len(batch) > _BYTES_AT_ONCE:
        return None
    outcome = _opened(unexamined, None, inflated_max=_BYTES_AT_ONCE, headers_max=_RECORDS_AT_ONCE)
    if isinstance(outcome, AppendResult) and not outcome.record_errors:
        # Garbage, what inflates to more than that and what has more headers look alike.
        return None
    return outcome


def _opened(
    unexamined: UnexaminedBatch,
    pause: Callable[[], None] | None,
    *,
    inflated_max: int | None = None,
    headers_max: int | None = None,
) -> ValidBatch | AppendResult:
    batch, header, config, now_ms, has_keys = unexamined
    outcome = apply_record_rules(
        batch,
        header,
        config,
        now_ms,
        has_keys=has_keys,
        inflated_max=inflated_max,
        headers_max=headers_max,
        pause=pause,
    )
    if isinstance(outcome, AppendResult):
        return outcome
    accepted = _stamped(*outcome, config, now_ms)
    size = len(accepted[0])
    return accepted if size <= config.message_bytes_max else _too_large(size, config)


def _stamped(batch: _Bytes, header: BatchHeader, config: LogConfig, now_ms: int) -> ValidBatch:
    """With the timestamp type of the topic, which a client may not choose."""
    if config.is_log_append_time:
        batch = stamp_log_append_time(batch, now_ms)
    elif header.attributes & LOG_APPEND_TIME:
        plain = header._replace(attributes=header.attributes & ~LOG_APPEND_TIME)
        batch = seal(plain, memoryview(batch)[HEADER_BYTES:])
    else:
        return batch, header
    return batch, parse_header(batch)


def _too_large(size: int, config: LogConfig) -> AppendResult:
    return refused(
        Refusal.BATCH_TOO_LARGE,
        f"the batch has {size} bytes, max.message.bytes is {config.message_bytes_max}",
    )

"""Validation of a batch against its topic (LogValidator of Apache Kafka).

Most batches are checked by their header alone and stored as they came. Otherwise the records are
examined (`record_rules`): at once if that is short, else by the caller, in a thread.
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
    check,
    parse_header,
    seal,
    stamp_log_append_time,
)
from partition_svc.log.log_config import LogConfig
from partition_svc.log.validation.record_rules import (
    ValidBatch,
    apply_record_rules,
    must_examine,
    stamped_by_producer,
)

_Bytes = bytes | memoryview

#: Limits of a batch that is examined on the event loop: its records, as many headers, and its
#: bytes, compressed and decompressed. Examining it takes less than a millisecond.
_RECORDS_AT_ONCE: Final = 1000
_BYTES_AT_ONCE: Final = 256 << 10

_REFUSALS: Final = {
    Flaw.CRC_MISMATCH: Refusal.CORRUPT_MESSAGE,
    Flaw.UNKNOWN_CODEC: Refusal.UNSUPPORTED_COMPRESSION_TYPE,
}


class UnexaminedBatch(NamedTuple):
    """A batch with a sound header whose records take too long to examine on the event loop."""

    batch: _Bytes
    header: BatchHeader
    config: LogConfig
    now_ms: int
    has_keys: bool

    def examine(self, pause: Callable[[], None] | None = None) -> ValidBatch | AppendResult:
        """Finishes `validate`, in a thread; `pause` is passed to `common.records.examine`."""
        return _examine(self, pause)


def validate(
    batch: _Bytes, config: LogConfig, now_ms: int, *, has_keys: bool = False
) -> ValidBatch | AppendResult | UnexaminedBatch:
    """Returns the batch to store and its header, or a refusal.

    The batch is `batch` itself unless the topic changes batches. With `has_keys` this process made
    the batch, and every record has a key.

    A plain topic (`LogConfig.is_plain`) accepts an uncompressed batch with sane timestamps after
    these checks of the header, so the rules that follow are skipped. That saves 8 % of the CPU time
    of single records (docs/performance.md). test_validation.py compares both outcomes in
    `test_a_plain_topic_accepts_by_the_header_what_all_rules_accept`.
    """
    if len(batch) > config.message_bytes_max:
        return _too_large(len(batch), config)
    header = check(batch)
    if not isinstance(header, BatchHeader):
        return refused(_REFUSALS.get(header, Refusal.INVALID_RECORD), header.value)
    latest_ms = now_ms + config.timestamp_after_max_ms
    has_sane_times = NO_TIMESTAMP <= header.base_timestamp <= header.max_timestamp <= latest_ms
    if config.is_plain and has_sane_times and not header.attributes:
        return batch, header
    return _apply_topic_rules(batch, header, config, now_ms, has_keys=has_keys)


def _apply_topic_rules(
    batch: _Bytes, header: BatchHeader, config: LogConfig, now_ms: int, *, has_keys: bool
) -> ValidBatch | AppendResult | UnexaminedBatch:
    refusal = _refusal_by_header(header, config)
    if refusal is not None:
        return refusal
    if must_examine(header, config, now_ms, has_keys=has_keys):
        unexamined = UnexaminedBatch(batch, header, config, now_ms, has_keys)
        return _examine_at_once(unexamined) or unexamined
    return _stamp(batch, header, config, now_ms)


def _refusal_by_header(header: BatchHeader, config: LogConfig) -> AppendResult | None:
    if header.attributes & TRANSACTIONAL:
        return refused(Refusal.INVALID_RECORD, "there are no transactions")
    if config.is_log_append_time and header.attributes & LOG_APPEND_TIME:
        return stamped_by_producer(header)
    return None


def refused(refusal: Refusal, message: str | None = None) -> AppendResult:
    return AppendResult(refusal=refusal, message=message)


def _examine_at_once(unexamined: UnexaminedBatch) -> ValidBatch | AppendResult | None:
    """Returns None if that could take too long."""
    batch, header = unexamined.batch, unexamined.header
    if header.record_count > _RECORDS_AT_ONCE or len(batch) > _BYTES_AT_ONCE:
        return None
    outcome = _examine(unexamined, None, inflated_max=_BYTES_AT_ONCE, headers_max=_RECORDS_AT_ONCE)
    if isinstance(outcome, AppendResult) and not outcome.record_errors:
        # Corrupt records look like those that exceed a limit, so all rules are applied in a thread.
        return None
    return outcome


def _examine(
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
    accepted = _stamp(*outcome, config, now_ms)
    size = len(accepted[0])
    return accepted if size <= config.message_bytes_max else _too_large(size, config)


def _stamp(batch: _Bytes, header: BatchHeader, config: LogConfig, now_ms: int) -> ValidBatch:
    """Applies the timestamp type of the topic, which a client cannot choose."""
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
        Refusal.MESSAGE_TOO_LARGE,
        f"the batch has {size} bytes, max.message.bytes is {config.message_bytes_max}",
    )

"""Rules that ask for a batch to be opened: keys of compacted topics, old timestamps, recompression.

Only topics that are configured so pay for this; it costs microseconds for each record.
"""

from common.ports.partitions import AppendResult, RecordError, Refusal
from common.records.batch import NO_TIMESTAMP, BatchHeader
from common.records.compression import Codec
from common.records.errors import CorruptRecords, UnsupportedRecords
from common.records.records import read_records, recompress
from common.records.search import null_key_indexes
from partition_svc.log.log_config import FOREVER, LogConfig

_Bytes = bytes | memoryview


def apply_record_rules(
    batch: _Bytes,
    header: BatchHeader,
    config: LogConfig,
    now_ms: int,
    *,
    has_keys: bool = False,
) -> _Bytes | AppendResult:
    """The batch as the topic wants it, or why the whole of it is refused (LogValidator)."""
    try:
        if config.is_compacted and not has_keys and (indexes := null_key_indexes(batch)):
            return _keys_are_missing(indexes)
        if config.timestamp_before_max_ms < FOREVER and not config.is_log_append_time:
            indexes = _wrong_times(batch, config, now_ms)
            if indexes:
                return _times_are_wrong(indexes, config)
        if config.codec is not None and config.codec != header.codec:
            return recompress(batch, Codec(config.codec))
    except CorruptRecords as error:
        return AppendResult(refusal=Refusal.CORRUPT_BATCH, message=str(error))
    except UnsupportedRecords as error:
        return AppendResult(refusal=Refusal.UNSUPPORTED_COMPRESSION, message=str(error))
    return batch


def _wrong_times(batch: _Bytes, config: LogConfig, now_ms: int) -> list[int]:
    earliest = now_ms - config.timestamp_before_max_ms
    latest = now_ms + config.timestamp_after_max_ms
    return [
        index
        for index, record in enumerate(read_records(batch))
        if record.timestamp != NO_TIMESTAMP and not earliest <= record.timestamp <= latest
    ]


def _keys_are_missing(indexes: list[int]) -> AppendResult:
    message = "Compacted topic cannot accept message without key."
    return AppendResult(
        refusal=Refusal.INVALID_RECORD,
        message=message,
        record_errors=tuple(RecordError(index, message) for index in indexes),
    )


def _times_are_wrong(indexes: list[int], config: LogConfig) -> AppendResult:
    message = (
        f"timestamp out of range: message.timestamp.before.max.ms is "
        f"{config.timestamp_before_max_ms}, after.max.ms is {config.timestamp_after_max_ms}"
    )
    return AppendResult(
        refusal=Refusal.INVALID_TIMESTAMP,
        message=message,
        record_errors=tuple(RecordError(index, message) for index in indexes),
    )

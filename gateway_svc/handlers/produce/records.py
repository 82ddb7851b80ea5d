"""Conversion of a partition's records in a Produce request to a batch, or to an error.

Current versions carry one v2 batch, which is passed on unchanged: the partition's owner validates
it, and only version-dependent rules are checked here. Versions 0 to 2 carry message sets, each of
which is converted to one v2 batch.
"""

from typing import Final, NamedTuple

from common.records.batch import CODEC_MASK, HEADER_BYTES, MAGIC, TRANSACTIONAL
from common.records.compression import Codec
from common.records.errors import CorruptRecords, RecordsTooLarge, UnsupportedRecords
from common.records.message_set import up_convert
from gateway_svc.dispatch.conversions import ByteCounter
from gateway_svc.wire.error_code import ErrorCode

#: Batches may be compressed with zstd since this version (KIP-110).
_ZSTD_SINCE: Final = 7

_MAGIC_POSITION: Final = 16
#: The lower byte of the attributes: codec and flags.
_FLAGS_POSITION: Final = 22


class NotAppended(NamedTuple):
    """Result of a partition that is not appended to. NONE: there is nothing to append."""

    error_code: ErrorCode
    message: str | None = None


Batch = bytes | memoryview | NotAppended

_NOTHING: Final = NotAppended(ErrorCode.INVALID_RECORD, "there is no record batch")
_WRONG_MAGIC: Final = NotAppended(
    ErrorCode.INVALID_RECORD, "from version 3 on records must be a batch of magic 2"
)
_NO_TRANSACTION: Final = NotAppended(
    ErrorCode.INVALID_TXN_STATE, "the batch belongs to a transaction and none is open"
)
_NO_ZSTD: Final = NotAppended(
    ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd may be used from version 7 on"
)


def check_batch(records: bytes | memoryview | None, version: int) -> Batch:
    """Returns the records of a partition from version 3 on, after the checks by version."""
    if not records:
        return _NOTHING
    if len(records) < HEADER_BYTES:
        return records  # too short for a header: the owner refuses it as corrupt
    if records[_MAGIC_POSITION] != MAGIC:
        return _WRONG_MAGIC
    flags = records[_FLAGS_POSITION]
    if flags & TRANSACTIONAL:
        return _NO_TRANSACTION
    if flags & CODEC_MASK == Codec.ZSTD and version < _ZSTD_SINCE:
        return _NO_ZSTD
    return records


def convert_to_batch(
    records: bytes | memoryview | None, version: int, message_bytes_max: int, count: ByteCounter
) -> Batch:
    """Converts the records of a partition before version 3 to a batch.

    Slow, because records are decoded; `count` receives the bytes of memory used. Messages and
    batches over `message_bytes_max`, the topic's max.message.bytes, are refused.
    """
    try:
        batch = up_convert(
            records or b"",
            message_bytes_max=message_bytes_max,
            on_inflated=lambda inflated: count(2 * inflated),
        )
    except RecordsTooLarge as error:
        return NotAppended(ErrorCode.MESSAGE_TOO_LARGE, str(error))
    except CorruptRecords as error:
        return NotAppended(ErrorCode.CORRUPT_MESSAGE, str(error))
    except UnsupportedRecords as error:
        return NotAppended(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, str(error))
    if batch is None:
        # An empty set is neither stored nor an error (UnifiedLog.append).
        return NotAppended(ErrorCode.NONE)
    if len(batch) > message_bytes_max:
        # The owner would refuse it too, but it would take memory until then.
        return NotAppended(ErrorCode.MESSAGE_TOO_LARGE)
    return check_batch(batch, version)

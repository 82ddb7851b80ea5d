"""Conversion of stored batches to the record format of a version of Fetch.

The rules are those of KafkaApis.maybeConvertFetchedData in Apache Kafka 3.
"""

from collections.abc import Sequence
from typing import Final

from common.records.batch import iter_batches
from common.records.compression import Codec
from common.records.errors import UnsupportedRecords
from common.records.message_set import down_convert
from gateway_svc.dispatch.conversions import ByteCounter, Conversions
from gateway_svc.wire.schema import RecordChunks

#: First versions with record batches (KIP-98) and with messages of magic 1 (KIP-32).
_BATCHES_SINCE: Final = 4
_MAGIC_1_SINCE: Final = 2

#: First version whose batches may be compressed with zstd (KIP-110).
_ZSTD_SINCE: Final = 10


async def records_for(
    version: int,
    chunks: list[bytes | memoryview],
    *,
    fetch_offset: int,
    conversions: Conversions,
) -> RecordChunks:
    """Converts `chunks` of whole v2 batches for `version`; from version 10 on they are unchanged.

    Raises:
        UnsupportedRecords: the first batch is compressed with zstd and the version is older.
        CorruptRecords: batches to be converted cannot be decoded.
    """
    if version >= _ZSTD_SINCE or not chunks:
        return chunks
    if version >= _BATCHES_SINCE:
        return _until_zstd(chunks)
    magic = 1 if version >= _MAGIC_1_SINCE else 0
    return await conversions.run(lambda count: _down_converted(chunks, magic, fetch_offset, count))


def _down_converted(
    chunks: Sequence[bytes | memoryview], magic: int, fetch_offset: int, count: ByteCounter
) -> list[bytes]:
    # All batches exist in both formats, and one of them is inflated at a time.
    count(sum(map(len, chunks)))
    return down_convert(chunks, magic, fetch_offset=fetch_offset)


def _until_zstd(chunks: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Returns the batches before the first one that the client cannot read."""
    readable: list[bytes | memoryview] = []
    for chunk in chunks:
        for position, header in iter_batches(chunk):
            if header.codec == Codec.ZSTD:
                if position:
                    readable.append(memoryview(chunk)[:position])
                if not readable:
                    raise UnsupportedRecords("zstd may be fetched from version 10 on")
                return readable
        readable.append(chunk)
    return readable

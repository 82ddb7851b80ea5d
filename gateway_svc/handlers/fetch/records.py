"""What the log holds, in the form that a version of Fetch may be answered with.

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

#: Record batches since this version (KIP-98), messages of magic 1 since that (KIP-32).
_BATCHES_SINCE: Final = 4
_MAGIC_1_SINCE: Final = 2

#: Batches may be compressed with zstd since this version (KIP-110).
_ZSTD_SINCE: Final = 10


async def records_for(
    version: int,
    chunks: list[bytes | memoryview],
    *,
    fetch_offset: int,
    conversions: Conversions,
) -> RecordChunks:
    """`chunks` of whole v2 batches for a response of `version`; from version 10 on untouched.

    Raises:
        UnsupportedRecords: the first batch is compressed with zstd and the version is older.
        CorruptRecords: what is to be converted cannot be read.
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
    # All batches are there in both formats, and one of them is inflated at a time.
    count(sum(map(len, chunks)))
    return down_convert(chunks, magic, fetch_offset=fetch_offset)


def _until_zstd(chunks: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """The batches before the first that the client cannot read, so that it gets as far as that."""
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

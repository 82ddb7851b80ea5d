"""Kafka's record formats, built and read by two other clients, for comparison with ours.

The clients share no code with each other or with ours. Both check every CRC.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from aiokafka.record import default_records, legacy_records, memory_records
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from common.records.records import Record

_BATCH_BYTES_MAX = 1 << 30
_V2 = 2


def _build_aiokafka(records: Sequence[Record], magic: int, codec: int) -> bytes:
    if magic == _V2:
        builder = default_records.DefaultRecordBatchBuilder(
            magic, codec, 0, -1, -1, -1, _BATCH_BYTES_MAX
        )
    else:
        builder = legacy_records.LegacyRecordBatchBuilder(magic, codec, _BATCH_BYTES_MAX)
    for offset, timestamp, key, value, headers in records:
        args = ([(name.decode(), content) for name, content in headers],) if magic == _V2 else ()
        assert builder.append(offset, timestamp, key, value, *args) is not None
    return bytes(builder.build())


def _build_kafka_python(records: Sequence[Record], magic: int, codec: int) -> bytes:
    builder = MemoryRecordsBuilder(magic, codec, _BATCH_BYTES_MAX, offset=records[0].offset)
    for record in records:
        builder.skip(record.offset - builder.next_offset())
        headers = [(name.decode(), content) for name, content in record.headers]
        assert builder.append(record.timestamp, record.key, record.value, headers) is not None
    builder.close()
    return bytes(builder.buffer())


def _read_aiokafka(data: bytes) -> list[Record]:
    return _read(_aiokafka_batches(memory_records.MemoryRecords(data)))


def _aiokafka_batches(records) -> Iterator:
    while records.has_next():
        yield records.next_batch()


def _read_kafka_python(data: bytes) -> list[Record]:
    return _read(MemoryRecords(data))


def _read(batches: Iterable) -> list[Record]:
    read = []
    for batch in batches:
        assert batch.validate_crc()
        for record in batch:
            headers = tuple((name.encode(), content) for name, content in record.headers)
            timestamp = -1 if record.timestamp is None else record.timestamp
            read.append(Record(record.offset, timestamp, record.key, record.value, headers))
    return read


#: Records of growing offsets, magic and codec to the bytes of a produce request.
BUILDERS: dict[str, Callable[[Sequence[Record], int, int], bytes]] = {
    "aiokafka": _build_aiokafka,
    "kafka-python": _build_kafka_python,
}

#: The bytes of a fetch response to its records; headers empty and timestamp -1 where there is none.
READERS: dict[str, Callable[[bytes], list[Record]]] = {
    "aiokafka": _read_aiokafka,
    "kafka-python": _read_kafka_python,
}

#: Codecs that kafka-python and aiokafka can write for a magic. Neither knows magic 0's lz4 without
#: an extra package; test_lz4_frame.py has frames of it.
CODECS = {0: ("NONE", "GZIP", "SNAPPY"), 1: ("NONE", "GZIP", "SNAPPY", "LZ4")}
CODECS[_V2] = (*CODECS[1], "ZSTD")

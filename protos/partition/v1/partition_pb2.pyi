from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Refusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUSAL_UNSPECIFIED: _ClassVar[Refusal]
    REFUSAL_NOT_OWNER: _ClassVar[Refusal]
    REFUSAL_UNKNOWN_TOPIC_OR_PARTITION: _ClassVar[Refusal]
    REFUSAL_CORRUPT_MESSAGE: _ClassVar[Refusal]
    REFUSAL_INVALID_RECORD: _ClassVar[Refusal]
    REFUSAL_MESSAGE_TOO_LARGE: _ClassVar[Refusal]
    REFUSAL_INVALID_TIMESTAMP: _ClassVar[Refusal]
    REFUSAL_UNSUPPORTED_COMPRESSION_TYPE: _ClassVar[Refusal]
    REFUSAL_OUT_OF_ORDER_SEQUENCE_NUMBER: _ClassVar[Refusal]
    REFUSAL_INVALID_PRODUCER_EPOCH: _ClassVar[Refusal]
    REFUSAL_KAFKA_STORAGE_ERROR: _ClassVar[Refusal]
    REFUSAL_OFFSET_OUT_OF_RANGE: _ClassVar[Refusal]
    REFUSAL_FENCED_LEADER_EPOCH: _ClassVar[Refusal]
    REFUSAL_UNKNOWN_LEADER_EPOCH: _ClassVar[Refusal]
    REFUSAL_UNSUPPORTED_TIMESTAMP: _ClassVar[Refusal]
    REFUSAL_MOVING: _ClassVar[Refusal]
    REFUSAL_NO_RESPONSE: _ClassVar[Refusal]
    REFUSAL_INVALID_TOPIC_EXCEPTION: _ClassVar[Refusal]

class Acks(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACKS_UNSPECIFIED: _ClassVar[Acks]
    ACKS_ALL: _ClassVar[Acks]
    ACKS_LEADER: _ClassVar[Acks]
    ACKS_NONE: _ClassVar[Acks]
REFUSAL_UNSPECIFIED: Refusal
REFUSAL_NOT_OWNER: Refusal
REFUSAL_UNKNOWN_TOPIC_OR_PARTITION: Refusal
REFUSAL_CORRUPT_MESSAGE: Refusal
REFUSAL_INVALID_RECORD: Refusal
REFUSAL_MESSAGE_TOO_LARGE: Refusal
REFUSAL_INVALID_TIMESTAMP: Refusal
REFUSAL_UNSUPPORTED_COMPRESSION_TYPE: Refusal
REFUSAL_OUT_OF_ORDER_SEQUENCE_NUMBER: Refusal
REFUSAL_INVALID_PRODUCER_EPOCH: Refusal
REFUSAL_KAFKA_STORAGE_ERROR: Refusal
REFUSAL_OFFSET_OUT_OF_RANGE: Refusal
REFUSAL_FENCED_LEADER_EPOCH: Refusal
REFUSAL_UNKNOWN_LEADER_EPOCH: Refusal
REFUSAL_UNSUPPORTED_TIMESTAMP: Refusal
REFUSAL_MOVING: Refusal
REFUSAL_NO_RESPONSE: Refusal
REFUSAL_INVALID_TOPIC_EXCEPTION: Refusal
ACKS_UNSPECIFIED: Acks
ACKS_ALL: Acks
ACKS_LEADER: Acks
ACKS_NONE: Acks

class AppendRequest(_message.Message):
    __slots__ = ("appends",)
    APPENDS_FIELD_NUMBER: _ClassVar[int]
    appends: _containers.RepeatedCompositeFieldContainer[Append]
    def __init__(self, appends: _Optional[_Iterable[_Union[Append, _Mapping]]] = ...) -> None: ...

class Append(_message.Message):
    __slots__ = ("append_id", "topic_id", "partition", "leader_epoch", "acks", "batch", "records")
    APPEND_ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACKS_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    append_id: int
    topic_id: bytes
    partition: int
    leader_epoch: int
    acks: Acks
    batch: bytes
    records: _containers.RepeatedCompositeFieldContainer[Record]
    def __init__(self, append_id: _Optional[int] = ..., topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ..., leader_epoch: _Optional[int] = ..., acks: _Optional[_Union[Acks, str]] = ..., batch: _Optional[bytes] = ..., records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("offset", "timestamp_ms", "key", "value", "headers")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_MS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    offset: int
    timestamp_ms: int
    key: bytes
    value: bytes
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    def __init__(self, offset: _Optional[int] = ..., timestamp_ms: _Optional[int] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: bytes
    def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class AppendResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AppendResult]
    def __init__(self, results: _Optional[_Iterable[_Union[AppendResult, _Mapping]]] = ...) -> None: ...

class AppendResult(_message.Message):
    __slots__ = ("append_id", "stored", "refused")
    APPEND_ID_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    append_id: int
    stored: Stored
    refused: Refused
    def __init__(self, append_id: _Optional[int] = ..., stored: _Optional[_Union[Stored, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ...) -> None: ...

class Stored(_message.Message):
    __slots__ = ("base_offset", "log_append_time_ms", "log_start_offset")
    BASE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    LOG_APPEND_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    LOG_START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    base_offset: int
    log_append_time_ms: int
    log_start_offset: int
    def __init__(self, base_offset: _Optional[int] = ..., log_append_time_ms: _Optional[int] = ..., log_start_offset: _Optional[int] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("refusal", "message", "record_errors", "leader_epoch")
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECORD_ERRORS_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    refusal: Refusal
    message: str
    record_errors: _containers.RepeatedCompositeFieldContainer[RecordError]
    leader_epoch: int
    def __init__(self, refusal: _Optional[_Union[Refusal, str]] = ..., message: _Optional[str] = ..., record_errors: _Optional[_Iterable[_Union[RecordError, _Mapping]]] = ..., leader_epoch: _Optional[int] = ...) -> None: ...

class RecordError(_message.Message):
    __slots__ = ("batch_index", "message")
    BATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    batch_index: int
    message: str
    def __init__(self, batch_index: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("partitions", "max_wait_ms", "min_bytes", "max_bytes", "read_committed", "decode_records")
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    MIN_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    READ_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    DECODE_RECORDS_FIELD_NUMBER: _ClassVar[int]
    partitions: _containers.RepeatedCompositeFieldContainer[FetchPartition]
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    read_committed: bool
    decode_records: bool
    def __init__(self, partitions: _Optional[_Iterable[_Union[FetchPartition, _Mapping]]] = ..., max_wait_ms: _Optional[int] = ..., min_bytes: _Optional[int] = ..., max_bytes: _Optional[int] = ..., read_committed: _Optional[bool] = ..., decode_records: _Optional[bool] = ...) -> None: ...

class FetchPartition(_message.Message):
    __slots__ = ("topic_id", "partition", "fetch_offset", "max_bytes", "leader_epoch")
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    FETCH_OFFSET_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    partition: int
    fetch_offset: int
    max_bytes: int
    leader_epoch: int
    def __init__(self, topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ..., fetch_offset: _Optional[int] = ..., max_bytes: _Optional[int] = ..., leader_epoch: _Optional[int] = ...) -> None: ...

class FetchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[FetchResult]
    def __init__(self, results: _Optional[_Iterable[_Union[FetchResult, _Mapping]]] = ...) -> None: ...

class FetchResult(_message.Message):
    __slots__ = ("refusal", "high_watermark", "last_stable_offset", "log_start_offset", "leader_epoch", "batches", "records", "aborted")
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    HIGH_WATERMARK_FIELD_NUMBER: _ClassVar[int]
    LAST_STABLE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    LOG_START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    refusal: Refusal
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    leader_epoch: int
    batches: bytes
    records: _containers.RepeatedCompositeFieldContainer[Record]
    aborted: AbortedTransactions
    def __init__(self, refusal: _Optional[_Union[Refusal, str]] = ..., high_watermark: _Optional[int] = ..., last_stable_offset: _Optional[int] = ..., log_start_offset: _Optional[int] = ..., leader_epoch: _Optional[int] = ..., batches: _Optional[bytes] = ..., records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ..., aborted: _Optional[_Union[AbortedTransactions, _Mapping]] = ...) -> None: ...

class AbortedTransactions(_message.Message):
    __slots__ = ("transactions",)
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    transactions: _containers.RepeatedCompositeFieldContainer[AbortedTransaction]
    def __init__(self, transactions: _Optional[_Iterable[_Union[AbortedTransaction, _Mapping]]] = ...) -> None: ...

class AbortedTransaction(_message.Message):
    __slots__ = ("producer_id", "first_offset")
    PRODUCER_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    producer_id: int
    first_offset: int
    def __init__(self, producer_id: _Optional[int] = ..., first_offset: _Optional[int] = ...) -> None: ...

class FetchStreamRequest(_message.Message):
    __slots__ = ("calls", "ended_waits")
    CALLS_FIELD_NUMBER: _ClassVar[int]
    ENDED_WAITS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[FetchCall]
    ended_waits: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, calls: _Optional[_Iterable[_Union[FetchCall, _Mapping]]] = ..., ended_waits: _Optional[_Iterable[int]] = ...) -> None: ...

class FetchCall(_message.Message):
    __slots__ = ("fetch_id", "fetch")
    FETCH_ID_FIELD_NUMBER: _ClassVar[int]
    FETCH_FIELD_NUMBER: _ClassVar[int]
    fetch_id: int
    fetch: FetchRequest
    def __init__(self, fetch_id: _Optional[int] = ..., fetch: _Optional[_Union[FetchRequest, _Mapping]] = ...) -> None: ...

class FetchStreamResponse(_message.Message):
    __slots__ = ("pieces",)
    PIECES_FIELD_NUMBER: _ClassVar[int]
    pieces: _containers.RepeatedCompositeFieldContainer[FetchPiece]
    def __init__(self, pieces: _Optional[_Iterable[_Union[FetchPiece, _Mapping]]] = ...) -> None: ...

class FetchPiece(_message.Message):
    __slots__ = ("results", "fetch_id", "continues", "is_last", "ends_waits")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    FETCH_ID_FIELD_NUMBER: _ClassVar[int]
    CONTINUES_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    ENDS_WAITS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[FetchResult]
    fetch_id: int
    continues: bool
    is_last: bool
    ends_waits: bool
    def __init__(self, results: _Optional[_Iterable[_Union[FetchResult, _Mapping]]] = ..., fetch_id: _Optional[int] = ..., continues: _Optional[bool] = ..., is_last: _Optional[bool] = ..., ends_waits: _Optional[bool] = ...) -> None: ...

class ListOffsetsRequest(_message.Message):
    __slots__ = ("queries",)
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[OffsetQuery]
    def __init__(self, queries: _Optional[_Iterable[_Union[OffsetQuery, _Mapping]]] = ...) -> None: ...

class OffsetQuery(_message.Message):
    __slots__ = ("topic_id", "partition", "timestamp", "leader_epoch", "read_committed")
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    READ_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    partition: int
    timestamp: int
    leader_epoch: int
    read_committed: bool
    def __init__(self, topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ..., timestamp: _Optional[int] = ..., leader_epoch: _Optional[int] = ..., read_committed: _Optional[bool] = ...) -> None: ...

class ListOffsetsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[OffsetResult]
    def __init__(self, results: _Optional[_Iterable[_Union[OffsetResult, _Mapping]]] = ...) -> None: ...

class OffsetResult(_message.Message):
    __slots__ = ("refusal", "offset", "timestamp", "leader_epoch")
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    refusal: Refusal
    offset: int
    timestamp: int
    leader_epoch: int
    def __init__(self, refusal: _Optional[_Union[Refusal, str]] = ..., offset: _Optional[int] = ..., timestamp: _Optional[int] = ..., leader_epoch: _Optional[int] = ...) -> None: ...

class OffsetsForLeaderEpochRequest(_message.Message):
    __slots__ = ("queries",)
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[EpochQuery]
    def __init__(self, queries: _Optional[_Iterable[_Union[EpochQuery, _Mapping]]] = ...) -> None: ...

class EpochQuery(_message.Message):
    __slots__ = ("topic_id", "partition", "leader_epoch", "current_leader_epoch")
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    CURRENT_LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    partition: int
    leader_epoch: int
    current_leader_epoch: int
    def __init__(self, topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ..., leader_epoch: _Optional[int] = ..., current_leader_epoch: _Optional[int] = ...) -> None: ...

class OffsetsForLeaderEpochResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[EpochEndOffset]
    def __init__(self, results: _Optional[_Iterable[_Union[EpochEndOffset, _Mapping]]] = ...) -> None: ...

class EpochEndOffset(_message.Message):
    __slots__ = ("refusal", "leader_epoch", "end_offset")
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    refusal: Refusal
    leader_epoch: int
    end_offset: int
    def __init__(self, refusal: _Optional[_Union[Refusal, str]] = ..., leader_epoch: _Optional[int] = ..., end_offset: _Optional[int] = ...) -> None: ...

class DescribeLogRequest(_message.Message):
    __slots__ = ("logs",)
    LOGS_FIELD_NUMBER: _ClassVar[int]
    logs: _containers.RepeatedCompositeFieldContainer[LogId]
    def __init__(self, logs: _Optional[_Iterable[_Union[LogId, _Mapping]]] = ...) -> None: ...

class LogId(_message.Message):
    __slots__ = ("topic_id", "partition")
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    partition: int
    def __init__(self, topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ...) -> None: ...

class DescribeLogResponse(_message.Message):
    __slots__ = ("logs",)
    LOGS_FIELD_NUMBER: _ClassVar[int]
    logs: _containers.RepeatedCompositeFieldContainer[LogDescription]
    def __init__(self, logs: _Optional[_Iterable[_Union[LogDescription, _Mapping]]] = ...) -> None: ...

class LogDescription(_message.Message):
    __slots__ = ("topic_id", "partition", "refusal", "log_start_offset", "high_watermark", "log_end_offset", "size_bytes", "leader_epoch", "producer_count", "uncleanable")
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    LOG_START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    HIGH_WATERMARK_FIELD_NUMBER: _ClassVar[int]
    LOG_END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNCLEANABLE_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    partition: int
    refusal: Refusal
    log_start_offset: int
    high_watermark: int
    log_end_offset: int
    size_bytes: int
    leader_epoch: int
    producer_count: int
    uncleanable: str
    def __init__(self, topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ..., refusal: _Optional[_Union[Refusal, str]] = ..., log_start_offset: _Optional[int] = ..., high_watermark: _Optional[int] = ..., log_end_offset: _Optional[int] = ..., size_bytes: _Optional[int] = ..., leader_epoch: _Optional[int] = ..., producer_count: _Optional[int] = ..., uncleanable: _Optional[str] = ...) -> None: ...

from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MovedLog(_message.Message):
    __slots__ = ("move_id", "topic_id", "partition", "leader_epoch")
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    move_id: int
    topic_id: bytes
    partition: int
    leader_epoch: int
    def __init__(self, move_id: _Optional[int] = ..., topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ..., leader_epoch: _Optional[int] = ...) -> None: ...

class CopyLogRequest(_message.Message):
    __slots__ = ("log", "offset", "with_producers", "last_epoch")
    LOG_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    WITH_PRODUCERS_FIELD_NUMBER: _ClassVar[int]
    LAST_EPOCH_FIELD_NUMBER: _ClassVar[int]
    log: MovedLog
    offset: int
    with_producers: bool
    last_epoch: int
    def __init__(self, log: _Optional[_Union[MovedLog, _Mapping]] = ..., offset: _Optional[int] = ..., with_producers: _Optional[bool] = ..., last_epoch: _Optional[int] = ...) -> None: ...

class FenceLogRequest(_message.Message):
    __slots__ = ("log", "offset", "has_producers")
    LOG_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    HAS_PRODUCERS_FIELD_NUMBER: _ClassVar[int]
    log: MovedLog
    offset: int
    has_producers: bool
    def __init__(self, log: _Optional[_Union[MovedLog, _Mapping]] = ..., offset: _Optional[int] = ..., has_producers: _Optional[bool] = ...) -> None: ...

class LogPart(_message.Message):
    __slots__ = ("head", "batches", "rows", "refusal")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    head: MovedHead
    batches: bytes
    rows: Rows
    refusal: int
    def __init__(self, head: _Optional[_Union[MovedHead, _Mapping]] = ..., batches: _Optional[bytes] = ..., rows: _Optional[_Union[Rows, _Mapping]] = ..., refusal: _Optional[int] = ...) -> None: ...

class MovedHead(_message.Message):
    __slots__ = ("log_start_offset", "end_offset", "size_bytes", "max_timestamp", "max_timestamp_offset", "leader_epoch", "continues")
    LOG_START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    MAX_TIMESTAMP_OFFSET_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    CONTINUES_FIELD_NUMBER: _ClassVar[int]
    log_start_offset: int
    end_offset: int
    size_bytes: int
    max_timestamp: int
    max_timestamp_offset: int
    leader_epoch: int
    continues: bool
    def __init__(self, log_start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., size_bytes: _Optional[int] = ..., max_timestamp: _Optional[int] = ..., max_timestamp_offset: _Optional[int] = ..., leader_epoch: _Optional[int] = ..., continues: _Optional[bool] = ...) -> None: ...

class Rows(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[Row]
    def __init__(self, rows: _Optional[_Iterable[_Union[Row, _Mapping]]] = ...) -> None: ...

class Row(_message.Message):
    __slots__ = ("kind", "key", "value")
    KIND_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    kind: bytes
    key: bytes
    value: bytes
    def __init__(self, kind: _Optional[bytes] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MovePhase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MOVE_PHASE_UNSPECIFIED: _ClassVar[MovePhase]
    MOVE_PHASE_PREPARE: _ClassVar[MovePhase]
    MOVE_PHASE_CATCH_UP: _ClassVar[MovePhase]
    MOVE_PHASE_FENCE: _ClassVar[MovePhase]
    MOVE_PHASE_COMMIT: _ClassVar[MovePhase]

class RingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RING_STATE_UNSPECIFIED: _ClassVar[RingState]
    RING_STATE_OUTSIDE: _ClassVar[RingState]
    RING_STATE_JOINED: _ClassVar[RingState]
    RING_STATE_DRAINING: _ClassVar[RingState]
    RING_STATE_DRAINED: _ClassVar[RingState]

class RingRefusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RING_REFUSAL_UNSPECIFIED: _ClassVar[RingRefusal]
    RING_REFUSAL_UNKNOWN_MEMBER: _ClassVar[RingRefusal]
    RING_REFUSAL_LAST_MEMBER: _ClassVar[RingRefusal]
    RING_REFUSAL_NOT_EMPTY: _ClassVar[RingRefusal]
    RING_REFUSAL_ALIVE: _ClassVar[RingRefusal]
    RING_REFUSAL_STORAGE_ERROR: _ClassVar[RingRefusal]
    RING_REFUSAL_UNKNOWN_MOVE: _ClassVar[RingRefusal]
MOVE_PHASE_UNSPECIFIED: MovePhase
MOVE_PHASE_PREPARE: MovePhase
MOVE_PHASE_CATCH_UP: MovePhase
MOVE_PHASE_FENCE: MovePhase
MOVE_PHASE_COMMIT: MovePhase
RING_STATE_UNSPECIFIED: RingState
RING_STATE_OUTSIDE: RingState
RING_STATE_JOINED: RingState
RING_STATE_DRAINING: RingState
RING_STATE_DRAINED: RingState
RING_REFUSAL_UNSPECIFIED: RingRefusal
RING_REFUSAL_UNKNOWN_MEMBER: RingRefusal
RING_REFUSAL_LAST_MEMBER: RingRefusal
RING_REFUSAL_NOT_EMPTY: RingRefusal
RING_REFUSAL_ALIVE: RingRefusal
RING_REFUSAL_STORAGE_ERROR: RingRefusal
RING_REFUSAL_UNKNOWN_MOVE: RingRefusal

class Move(_message.Message):
    __slots__ = ("move_id", "topic_id", "partition", "source", "target", "leader_epoch", "phase")
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    move_id: int
    topic_id: bytes
    partition: int
    source: str
    target: str
    leader_epoch: int
    phase: MovePhase
    def __init__(self, move_id: _Optional[int] = ..., topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ..., source: _Optional[str] = ..., target: _Optional[str] = ..., leader_epoch: _Optional[int] = ..., phase: _Optional[_Union[MovePhase, str]] = ...) -> None: ...

class MemberReport(_message.Message):
    __slots__ = ("loads", "progress", "disk")
    LOADS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DISK_FIELD_NUMBER: _ClassVar[int]
    loads: _containers.RepeatedCompositeFieldContainer[LogLoad]
    progress: _containers.RepeatedCompositeFieldContainer[MoveProgress]
    disk: DiskState
    def __init__(self, loads: _Optional[_Iterable[_Union[LogLoad, _Mapping]]] = ..., progress: _Optional[_Iterable[_Union[MoveProgress, _Mapping]]] = ..., disk: _Optional[_Union[DiskState, _Mapping]] = ...) -> None: ...

class DiskState(_message.Message):
    __slots__ = ("room_bytes", "is_writable")
    ROOM_BYTES_FIELD_NUMBER: _ClassVar[int]
    IS_WRITABLE_FIELD_NUMBER: _ClassVar[int]
    room_bytes: int
    is_writable: bool
    def __init__(self, room_bytes: _Optional[int] = ..., is_writable: _Optional[bool] = ...) -> None: ...

class LogLoad(_message.Message):
    __slots__ = ("topic_id", "partition", "size_bytes", "bytes_per_second")
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    partition: int
    size_bytes: int
    bytes_per_second: int
    def __init__(self, topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ..., size_bytes: _Optional[int] = ..., bytes_per_second: _Optional[int] = ...) -> None: ...

class MoveProgress(_message.Message):
    __slots__ = ("move_id", "copied_bytes", "total_bytes", "trouble")
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    COPIED_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    move_id: int
    copied_bytes: int
    total_bytes: int
    trouble: str
    def __init__(self, move_id: _Optional[int] = ..., copied_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ..., trouble: _Optional[str] = ...) -> None: ...

class DescribeRingRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeRingResponse(_message.Message):
    __slots__ = ("revision", "members", "moves", "waiting_moves", "waiting_bytes", "is_rebalancing", "unsized_moves", "troubles")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    WAITING_MOVES_FIELD_NUMBER: _ClassVar[int]
    WAITING_BYTES_FIELD_NUMBER: _ClassVar[int]
    IS_REBALANCING_FIELD_NUMBER: _ClassVar[int]
    UNSIZED_MOVES_FIELD_NUMBER: _ClassVar[int]
    TROUBLES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    members: _containers.RepeatedCompositeFieldContainer[RingMember]
    moves: _containers.RepeatedCompositeFieldContainer[MoveDescription]
    waiting_moves: int
    waiting_bytes: int
    is_rebalancing: bool
    unsized_moves: int
    troubles: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, revision: _Optional[int] = ..., members: _Optional[_Iterable[_Union[RingMember, _Mapping]]] = ..., moves: _Optional[_Iterable[_Union[MoveDescription, _Mapping]]] = ..., waiting_moves: _Optional[int] = ..., waiting_bytes: _Optional[int] = ..., is_rebalancing: _Optional[bool] = ..., unsized_moves: _Optional[int] = ..., troubles: _Optional[_Iterable[str]] = ...) -> None: ...

class RingMember(_message.Message):
    __slots__ = ("name", "address", "state", "is_alive", "partitions", "planned", "size_bytes", "disk")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    IS_ALIVE_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    PLANNED_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    state: RingState
    is_alive: bool
    partitions: int
    planned: int
    size_bytes: int
    disk: DiskState
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., state: _Optional[_Union[RingState, str]] = ..., is_alive: _Optional[bool] = ..., partitions: _Optional[int] = ..., planned: _Optional[int] = ..., size_bytes: _Optional[int] = ..., disk: _Optional[_Union[DiskState, _Mapping]] = ...) -> None: ...

class MoveDescription(_message.Message):
    __slots__ = ("move", "topic", "copied_bytes", "total_bytes", "bytes_per_second", "trouble")
    MOVE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    COPIED_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    move: Move
    topic: str
    copied_bytes: int
    total_bytes: int
    bytes_per_second: int
    trouble: str
    def __init__(self, move: _Optional[_Union[Move, _Mapping]] = ..., topic: _Optional[str] = ..., copied_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ..., bytes_per_second: _Optional[int] = ..., trouble: _Optional[str] = ...) -> None: ...

class ChangeRingRequest(_message.Message):
    __slots__ = ("add_member", "drain_member", "remove_member", "cancel_move", "accept_volume", "accept_data_loss")
    ADD_MEMBER_FIELD_NUMBER: _ClassVar[int]
    DRAIN_MEMBER_FIELD_NUMBER: _ClassVar[int]
    REMOVE_MEMBER_FIELD_NUMBER: _ClassVar[int]
    CANCEL_MOVE_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_VOLUME_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_DATA_LOSS_FIELD_NUMBER: _ClassVar[int]
    add_member: str
    drain_member: str
    remove_member: str
    cancel_move: int
    accept_volume: str
    accept_data_loss: bool
    def __init__(self, add_member: _Optional[str] = ..., drain_member: _Optional[str] = ..., remove_member: _Optional[str] = ..., cancel_move: _Optional[int] = ..., accept_volume: _Optional[str] = ..., accept_data_loss: _Optional[bool] = ...) -> None: ...

class ChangeRingResponse(_message.Message):
    __slots__ = ("refusal", "message", "lost")
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    refusal: RingRefusal
    message: str
    lost: _containers.RepeatedCompositeFieldContainer[LostPartitions]
    def __init__(self, refusal: _Optional[_Union[RingRefusal, str]] = ..., message: _Optional[str] = ..., lost: _Optional[_Iterable[_Union[LostPartitions, _Mapping]]] = ...) -> None: ...

class LostPartitions(_message.Message):
    __slots__ = ("topic_id", "topic", "partitions", "size_bytes")
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    topic: str
    partitions: _containers.RepeatedScalarFieldContainer[int]
    size_bytes: int
    def __init__(self, topic_id: _Optional[bytes] = ..., topic: _Optional[str] = ..., partitions: _Optional[_Iterable[int]] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class MemberProcess(_message.Message):
    __slots__ = ("name", "opening_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPENING_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    opening_id: str
    def __init__(self, name: _Optional[str] = ..., opening_id: _Optional[str] = ...) -> None: ...

class AdvanceMoveRequest(_message.Message):
    __slots__ = ("move_id", "phase", "process")
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    move_id: int
    phase: MovePhase
    process: MemberProcess
    def __init__(self, move_id: _Optional[int] = ..., phase: _Optional[_Union[MovePhase, str]] = ..., process: _Optional[_Union[MemberProcess, _Mapping]] = ...) -> None: ...

class AdvanceMoveResponse(_message.Message):
    __slots__ = ("move",)
    MOVE_FIELD_NUMBER: _ClassVar[int]
    move: Move
    def __init__(self, move: _Optional[_Union[Move, _Mapping]] = ...) -> None: ...

class EndMoveRequest(_message.Message):
    __slots__ = ("move_id", "process")
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    move_id: int
    process: MemberProcess
    def __init__(self, move_id: _Optional[int] = ..., process: _Optional[_Union[MemberProcess, _Mapping]] = ...) -> None: ...

class EndMoveResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

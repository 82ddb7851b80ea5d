from protos.metadata.v1 import ring_pb2 as _ring_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TopicRefusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOPIC_REFUSAL_UNSPECIFIED: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_TOPIC_ALREADY_EXISTS: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_INVALID_TOPIC_NAME: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_INVALID_PARTITIONS: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_INVALID_REPLICATION_FACTOR: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_INVALID_REPLICA_ASSIGNMENT: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_INVALID_CONFIG: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_INVALID_REQUEST: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_UNKNOWN_TOPIC: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_UNKNOWN_TOPIC_ID: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_TIMED_OUT: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_NO_OWNER: _ClassVar[TopicRefusal]
    TOPIC_REFUSAL_STORAGE_ERROR: _ClassVar[TopicRefusal]
TOPIC_REFUSAL_UNSPECIFIED: TopicRefusal
TOPIC_REFUSAL_TOPIC_ALREADY_EXISTS: TopicRefusal
TOPIC_REFUSAL_INVALID_TOPIC_NAME: TopicRefusal
TOPIC_REFUSAL_INVALID_PARTITIONS: TopicRefusal
TOPIC_REFUSAL_INVALID_REPLICATION_FACTOR: TopicRefusal
TOPIC_REFUSAL_INVALID_REPLICA_ASSIGNMENT: TopicRefusal
TOPIC_REFUSAL_INVALID_CONFIG: TopicRefusal
TOPIC_REFUSAL_INVALID_REQUEST: TopicRefusal
TOPIC_REFUSAL_UNKNOWN_TOPIC: TopicRefusal
TOPIC_REFUSAL_UNKNOWN_TOPIC_ID: TopicRefusal
TOPIC_REFUSAL_TIMED_OUT: TopicRefusal
TOPIC_REFUSAL_NO_OWNER: TopicRefusal
TOPIC_REFUSAL_STORAGE_ERROR: TopicRefusal

class WatchRequest(_message.Message):
    __slots__ = ("register_gateway", "register_member", "acknowledged_revision", "heartbeat", "report")
    REGISTER_GATEWAY_FIELD_NUMBER: _ClassVar[int]
    REGISTER_MEMBER_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_REVISION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    register_gateway: Gateway
    register_member: Member
    acknowledged_revision: int
    heartbeat: Heartbeat
    report: _ring_pb2.MemberReport
    def __init__(self, register_gateway: _Optional[_Union[Gateway, _Mapping]] = ..., register_member: _Optional[_Union[Member, _Mapping]] = ..., acknowledged_revision: _Optional[int] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., report: _Optional[_Union[_ring_pb2.MemberReport, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("revision", "cluster_id", "is_snapshot", "topics", "topics_gone", "gateways", "gateways_gone", "members", "members_gone", "broker_configs", "lease_ms", "moves", "moves_gone", "placements")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    IS_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    TOPICS_GONE_FIELD_NUMBER: _ClassVar[int]
    GATEWAYS_FIELD_NUMBER: _ClassVar[int]
    GATEWAYS_GONE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_GONE_FIELD_NUMBER: _ClassVar[int]
    BROKER_CONFIGS_FIELD_NUMBER: _ClassVar[int]
    LEASE_MS_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    MOVES_GONE_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    cluster_id: str
    is_snapshot: bool
    topics: _containers.RepeatedCompositeFieldContainer[Topic]
    topics_gone: _containers.RepeatedScalarFieldContainer[bytes]
    gateways: _containers.RepeatedCompositeFieldContainer[Gateway]
    gateways_gone: _containers.RepeatedScalarFieldContainer[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    members_gone: _containers.RepeatedScalarFieldContainer[str]
    broker_configs: Configs
    lease_ms: int
    moves: _containers.RepeatedCompositeFieldContainer[_ring_pb2.Move]
    moves_gone: _containers.RepeatedScalarFieldContainer[int]
    placements: _containers.RepeatedCompositeFieldContainer[PlacementChange]
    def __init__(self, revision: _Optional[int] = ..., cluster_id: _Optional[str] = ..., is_snapshot: _Optional[bool] = ..., topics: _Optional[_Iterable[_Union[Topic, _Mapping]]] = ..., topics_gone: _Optional[_Iterable[bytes]] = ..., gateways: _Optional[_Iterable[_Union[Gateway, _Mapping]]] = ..., gateways_gone: _Optional[_Iterable[int]] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., members_gone: _Optional[_Iterable[str]] = ..., broker_configs: _Optional[_Union[Configs, _Mapping]] = ..., lease_ms: _Optional[int] = ..., moves: _Optional[_Iterable[_Union[_ring_pb2.Move, _Mapping]]] = ..., moves_gone: _Optional[_Iterable[int]] = ..., placements: _Optional[_Iterable[_Union[PlacementChange, _Mapping]]] = ...) -> None: ...

class Configs(_message.Message):
    __slots__ = ("entries",)
    class EntriesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.ScalarMap[str, str]
    def __init__(self, entries: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Topic(_message.Message):
    __slots__ = ("topic_id", "name", "partitions", "configs", "is_internal")
    class ConfigsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    CONFIGS_FIELD_NUMBER: _ClassVar[int]
    IS_INTERNAL_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    name: str
    partitions: _containers.RepeatedCompositeFieldContainer[Placement]
    configs: _containers.ScalarMap[str, str]
    is_internal: bool
    def __init__(self, topic_id: _Optional[bytes] = ..., name: _Optional[str] = ..., partitions: _Optional[_Iterable[_Union[Placement, _Mapping]]] = ..., configs: _Optional[_Mapping[str, str]] = ..., is_internal: _Optional[bool] = ...) -> None: ...

class Placement(_message.Message):
    __slots__ = ("owner", "leader_epoch")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    owner: str
    leader_epoch: int
    def __init__(self, owner: _Optional[str] = ..., leader_epoch: _Optional[int] = ...) -> None: ...

class PlacementChange(_message.Message):
    __slots__ = ("topic_id", "partition", "placement")
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    partition: int
    placement: Placement
    def __init__(self, topic_id: _Optional[bytes] = ..., partition: _Optional[int] = ..., placement: _Optional[_Union[Placement, _Mapping]] = ...) -> None: ...

class Gateway(_message.Message):
    __slots__ = ("node_id", "endpoints", "rack")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    RACK_FIELD_NUMBER: _ClassVar[int]
    node_id: int
    endpoints: _containers.RepeatedCompositeFieldContainer[Endpoint]
    rack: str
    def __init__(self, node_id: _Optional[int] = ..., endpoints: _Optional[_Iterable[_Union[Endpoint, _Mapping]]] = ..., rack: _Optional[str] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("listener", "host", "port")
    LISTENER_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    listener: str
    host: str
    port: int
    def __init__(self, listener: _Optional[str] = ..., host: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("name", "address", "volume_id", "incarnation", "opening_id", "volume")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    OPENING_ID_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: str
    volume_id: str
    incarnation: int
    opening_id: str
    volume: VolumeState
    def __init__(self, name: _Optional[str] = ..., address: _Optional[str] = ..., volume_id: _Optional[str] = ..., incarnation: _Optional[int] = ..., opening_id: _Optional[str] = ..., volume: _Optional[_Union[VolumeState, _Mapping]] = ...) -> None: ...

class VolumeState(_message.Message):
    __slots__ = ("tokens", "applied_revision", "leader_epoch", "move_id", "may_lack_records", "cluster_id")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    APPLIED_REVISION_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    MOVE_ID_FIELD_NUMBER: _ClassVar[int]
    MAY_LACK_RECORDS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedScalarFieldContainer[str]
    applied_revision: int
    leader_epoch: int
    move_id: int
    may_lack_records: bool
    cluster_id: str
    def __init__(self, tokens: _Optional[_Iterable[str]] = ..., applied_revision: _Optional[int] = ..., leader_epoch: _Optional[int] = ..., move_id: _Optional[int] = ..., may_lack_records: _Optional[bool] = ..., cluster_id: _Optional[str] = ...) -> None: ...

class RenewVolumeTokenRequest(_message.Message):
    __slots__ = ("process", "token")
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    process: _ring_pb2.MemberProcess
    token: str
    def __init__(self, process: _Optional[_Union[_ring_pb2.MemberProcess, _Mapping]] = ..., token: _Optional[str] = ...) -> None: ...

class RenewVolumeTokenResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateTopicsRequest(_message.Message):
    __slots__ = ("topics", "timeout_ms", "validate_only")
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    topics: _containers.RepeatedCompositeFieldContainer[NewTopic]
    timeout_ms: int
    validate_only: bool
    def __init__(self, topics: _Optional[_Iterable[_Union[NewTopic, _Mapping]]] = ..., timeout_ms: _Optional[int] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class NewTopic(_message.Message):
    __slots__ = ("name", "partition_count", "replication_factor", "assignments", "configs")
    class AssignmentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: Replicas
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Replicas, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARTITION_COUNT_FIELD_NUMBER: _ClassVar[int]
    REPLICATION_FACTOR_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    CONFIGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    partition_count: int
    replication_factor: int
    assignments: _containers.MessageMap[int, Replicas]
    configs: _containers.RepeatedCompositeFieldContainer[ConfigEntry]
    def __init__(self, name: _Optional[str] = ..., partition_count: _Optional[int] = ..., replication_factor: _Optional[int] = ..., assignments: _Optional[_Mapping[int, Replicas]] = ..., configs: _Optional[_Iterable[_Union[ConfigEntry, _Mapping]]] = ...) -> None: ...

class Replicas(_message.Message):
    __slots__ = ("node_ids",)
    NODE_IDS_FIELD_NUMBER: _ClassVar[int]
    node_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, node_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class ConfigEntry(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class CreateTopicsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[TopicResult]
    def __init__(self, results: _Optional[_Iterable[_Union[TopicResult, _Mapping]]] = ...) -> None: ...

class TopicResult(_message.Message):
    __slots__ = ("name", "topic_id", "topic", "refusal", "message")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    topic_id: bytes
    topic: Topic
    refusal: TopicRefusal
    message: str
    def __init__(self, name: _Optional[str] = ..., topic_id: _Optional[bytes] = ..., topic: _Optional[_Union[Topic, _Mapping]] = ..., refusal: _Optional[_Union[TopicRefusal, str]] = ..., message: _Optional[str] = ...) -> None: ...

class DeleteTopicsRequest(_message.Message):
    __slots__ = ("names", "topic_ids", "timeout_ms")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    TOPIC_IDS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    topic_ids: _containers.RepeatedScalarFieldContainer[bytes]
    timeout_ms: int
    def __init__(self, names: _Optional[_Iterable[str]] = ..., topic_ids: _Optional[_Iterable[bytes]] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class DeleteTopicsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[TopicResult]
    def __init__(self, results: _Optional[_Iterable[_Union[TopicResult, _Mapping]]] = ...) -> None: ...

class DescribeTopicsRequest(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class DescribeTopicsResponse(_message.Message):
    __slots__ = ("revision", "topics")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    topics: _containers.RepeatedCompositeFieldContainer[Topic]
    def __init__(self, revision: _Optional[int] = ..., topics: _Optional[_Iterable[_Union[Topic, _Mapping]]] = ...) -> None: ...

class AllocateProducerIdsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AllocateProducerIdsResponse(_message.Message):
    __slots__ = ("first_producer_id", "count")
    FIRST_PRODUCER_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    first_producer_id: int
    count: int
    def __init__(self, first_producer_id: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

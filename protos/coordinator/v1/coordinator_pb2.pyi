from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GroupRefusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GROUP_REFUSAL_UNSPECIFIED: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_NOT_COORDINATOR: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_COORDINATOR_LOAD_IN_PROGRESS: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_COORDINATOR_NOT_AVAILABLE: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_INVALID_GROUP_ID: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_UNKNOWN_MEMBER_ID: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_MEMBER_ID_REQUIRED: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_ILLEGAL_GENERATION: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_REBALANCE_IN_PROGRESS: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_FENCED_INSTANCE_ID: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_INCONSISTENT_GROUP_PROTOCOL: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_INVALID_SESSION_TIMEOUT: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_GROUP_MAX_SIZE_REACHED: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_GROUP_ID_NOT_FOUND: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_NON_EMPTY_GROUP: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_GROUP_SUBSCRIBED_TO_TOPIC: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_OFFSET_METADATA_TOO_LARGE: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_UNKNOWN_TOPIC_OR_PARTITION: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_UNKNOWN_TOPIC_ID: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_UNSTABLE_OFFSET_COMMIT: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_STALE_MEMBER_EPOCH: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_FENCED_MEMBER_EPOCH: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_UNRELEASED_INSTANCE_ID: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_UNSUPPORTED_ASSIGNOR: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_INVALID_REGULAR_EXPRESSION: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_INVALID_REQUEST: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_UNSUPPORTED_VERSION: _ClassVar[GroupRefusal]
    GROUP_REFUSAL_UNKNOWN_SERVER_ERROR: _ClassVar[GroupRefusal]
GROUP_REFUSAL_UNSPECIFIED: GroupRefusal
GROUP_REFUSAL_NOT_COORDINATOR: GroupRefusal
GROUP_REFUSAL_COORDINATOR_LOAD_IN_PROGRESS: GroupRefusal
GROUP_REFUSAL_COORDINATOR_NOT_AVAILABLE: GroupRefusal
GROUP_REFUSAL_INVALID_GROUP_ID: GroupRefusal
GROUP_REFUSAL_UNKNOWN_MEMBER_ID: GroupRefusal
GROUP_REFUSAL_MEMBER_ID_REQUIRED: GroupRefusal
GROUP_REFUSAL_ILLEGAL_GENERATION: GroupRefusal
GROUP_REFUSAL_REBALANCE_IN_PROGRESS: GroupRefusal
GROUP_REFUSAL_FENCED_INSTANCE_ID: GroupRefusal
GROUP_REFUSAL_INCONSISTENT_GROUP_PROTOCOL: GroupRefusal
GROUP_REFUSAL_INVALID_SESSION_TIMEOUT: GroupRefusal
GROUP_REFUSAL_GROUP_MAX_SIZE_REACHED: GroupRefusal
GROUP_REFUSAL_GROUP_ID_NOT_FOUND: GroupRefusal
GROUP_REFUSAL_NON_EMPTY_GROUP: GroupRefusal
GROUP_REFUSAL_GROUP_SUBSCRIBED_TO_TOPIC: GroupRefusal
GROUP_REFUSAL_OFFSET_METADATA_TOO_LARGE: GroupRefusal
GROUP_REFUSAL_UNKNOWN_TOPIC_OR_PARTITION: GroupRefusal
GROUP_REFUSAL_UNKNOWN_TOPIC_ID: GroupRefusal
GROUP_REFUSAL_UNSTABLE_OFFSET_COMMIT: GroupRefusal
GROUP_REFUSAL_STALE_MEMBER_EPOCH: GroupRefusal
GROUP_REFUSAL_FENCED_MEMBER_EPOCH: GroupRefusal
GROUP_REFUSAL_UNRELEASED_INSTANCE_ID: GroupRefusal
GROUP_REFUSAL_UNSUPPORTED_ASSIGNOR: GroupRefusal
GROUP_REFUSAL_INVALID_REGULAR_EXPRESSION: GroupRefusal
GROUP_REFUSAL_INVALID_REQUEST: GroupRefusal
GROUP_REFUSAL_UNSUPPORTED_VERSION: GroupRefusal
GROUP_REFUSAL_UNKNOWN_SERVER_ERROR: GroupRefusal

class GroupCalls(_message.Message):
    __slots__ = ("calls",)
    CALLS_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[GroupCall]
    def __init__(self, calls: _Optional[_Iterable[_Union[GroupCall, _Mapping]]] = ...) -> None: ...

class GroupCall(_message.Message):
    __slots__ = ("call_id", "commit_offsets", "heartbeat", "consumer_heartbeat")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    call_id: int
    commit_offsets: CommitOffsetsRequest
    heartbeat: GroupHeartbeat
    consumer_heartbeat: ConsumerHeartbeatRequest
    def __init__(self, call_id: _Optional[int] = ..., commit_offsets: _Optional[_Union[CommitOffsetsRequest, _Mapping]] = ..., heartbeat: _Optional[_Union[GroupHeartbeat, _Mapping]] = ..., consumer_heartbeat: _Optional[_Union[ConsumerHeartbeatRequest, _Mapping]] = ...) -> None: ...

class GroupAnswers(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[GroupAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[GroupAnswer, _Mapping]]] = ...) -> None: ...

class GroupAnswer(_message.Message):
    __slots__ = ("call_id", "commit_offsets", "heartbeat", "consumer_heartbeat")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    call_id: int
    commit_offsets: CommitResult
    heartbeat: HeartbeatTaken
    consumer_heartbeat: ConsumerHeartbeatTaken
    def __init__(self, call_id: _Optional[int] = ..., commit_offsets: _Optional[_Union[CommitResult, _Mapping]] = ..., heartbeat: _Optional[_Union[HeartbeatTaken, _Mapping]] = ..., consumer_heartbeat: _Optional[_Union[ConsumerHeartbeatTaken, _Mapping]] = ...) -> None: ...

class GroupClient(_message.Message):
    __slots__ = ("client_id", "client_host")
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_HOST_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    client_host: str
    def __init__(self, client_id: _Optional[str] = ..., client_host: _Optional[str] = ...) -> None: ...

class GroupProtocol(_message.Message):
    __slots__ = ("name", "metadata")
    NAME_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    metadata: bytes
    def __init__(self, name: _Optional[str] = ..., metadata: _Optional[bytes] = ...) -> None: ...

class JoinGroupRequest(_message.Message):
    __slots__ = ("group_id", "member_id", "protocol_type", "protocols", "session_timeout_ms", "rebalance_timeout_ms", "group_instance_id", "client", "reason", "needs_member_id", "may_skip_assignment")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_TYPE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOLS_FIELD_NUMBER: _ClassVar[int]
    SESSION_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    REBALANCE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    GROUP_INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NEEDS_MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    MAY_SKIP_ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    member_id: str
    protocol_type: str
    protocols: _containers.RepeatedCompositeFieldContainer[GroupProtocol]
    session_timeout_ms: int
    rebalance_timeout_ms: int
    group_instance_id: str
    client: GroupClient
    reason: str
    needs_member_id: bool
    may_skip_assignment: bool
    def __init__(self, group_id: _Optional[str] = ..., member_id: _Optional[str] = ..., protocol_type: _Optional[str] = ..., protocols: _Optional[_Iterable[_Union[GroupProtocol, _Mapping]]] = ..., session_timeout_ms: _Optional[int] = ..., rebalance_timeout_ms: _Optional[int] = ..., group_instance_id: _Optional[str] = ..., client: _Optional[_Union[GroupClient, _Mapping]] = ..., reason: _Optional[str] = ..., needs_member_id: _Optional[bool] = ..., may_skip_assignment: _Optional[bool] = ...) -> None: ...

class JoinedMember(_message.Message):
    __slots__ = ("member_id", "group_instance_id", "metadata")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    group_instance_id: str
    metadata: bytes
    def __init__(self, member_id: _Optional[str] = ..., group_instance_id: _Optional[str] = ..., metadata: _Optional[bytes] = ...) -> None: ...

class Joined(_message.Message):
    __slots__ = ("member_id", "generation_id", "leader", "protocol_type", "protocol_name", "members", "skip_assignment", "refusal")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_TYPE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_NAME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    SKIP_ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    generation_id: int
    leader: str
    protocol_type: str
    protocol_name: str
    members: _containers.RepeatedCompositeFieldContainer[JoinedMember]
    skip_assignment: bool
    refusal: GroupRefusal
    def __init__(self, member_id: _Optional[str] = ..., generation_id: _Optional[int] = ..., leader: _Optional[str] = ..., protocol_type: _Optional[str] = ..., protocol_name: _Optional[str] = ..., members: _Optional[_Iterable[_Union[JoinedMember, _Mapping]]] = ..., skip_assignment: _Optional[bool] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class MemberAssignment(_message.Message):
    __slots__ = ("member_id", "assignment")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    assignment: bytes
    def __init__(self, member_id: _Optional[str] = ..., assignment: _Optional[bytes] = ...) -> None: ...

class SyncGroupRequest(_message.Message):
    __slots__ = ("group_id", "member_id", "generation_id", "group_instance_id", "protocol_type", "protocol_name", "assignments")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_TYPE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_NAME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    member_id: str
    generation_id: int
    group_instance_id: str
    protocol_type: str
    protocol_name: str
    assignments: _containers.RepeatedCompositeFieldContainer[MemberAssignment]
    def __init__(self, group_id: _Optional[str] = ..., member_id: _Optional[str] = ..., generation_id: _Optional[int] = ..., group_instance_id: _Optional[str] = ..., protocol_type: _Optional[str] = ..., protocol_name: _Optional[str] = ..., assignments: _Optional[_Iterable[_Union[MemberAssignment, _Mapping]]] = ...) -> None: ...

class Synced(_message.Message):
    __slots__ = ("assignment", "protocol_type", "protocol_name", "refusal")
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_TYPE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_NAME_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    assignment: bytes
    protocol_type: str
    protocol_name: str
    refusal: GroupRefusal
    def __init__(self, assignment: _Optional[bytes] = ..., protocol_type: _Optional[str] = ..., protocol_name: _Optional[str] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class GroupHeartbeat(_message.Message):
    __slots__ = ("group_id", "member_id", "generation_id", "group_instance_id")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    member_id: str
    generation_id: int
    group_instance_id: str
    def __init__(self, group_id: _Optional[str] = ..., member_id: _Optional[str] = ..., generation_id: _Optional[int] = ..., group_instance_id: _Optional[str] = ...) -> None: ...

class HeartbeatTaken(_message.Message):
    __slots__ = ("refusal",)
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    refusal: GroupRefusal
    def __init__(self, refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class LeavingMember(_message.Message):
    __slots__ = ("member_id", "group_instance_id", "reason")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    group_instance_id: str
    reason: str
    def __init__(self, member_id: _Optional[str] = ..., group_instance_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class LeaveGroupRequest(_message.Message):
    __slots__ = ("group_id", "members")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    members: _containers.RepeatedCompositeFieldContainer[LeavingMember]
    def __init__(self, group_id: _Optional[str] = ..., members: _Optional[_Iterable[_Union[LeavingMember, _Mapping]]] = ...) -> None: ...

class LeftMember(_message.Message):
    __slots__ = ("member_id", "group_instance_id", "refusal")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    group_instance_id: str
    refusal: GroupRefusal
    def __init__(self, member_id: _Optional[str] = ..., group_instance_id: _Optional[str] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class Left(_message.Message):
    __slots__ = ("members", "refusal")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[LeftMember]
    refusal: GroupRefusal
    def __init__(self, members: _Optional[_Iterable[_Union[LeftMember, _Mapping]]] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class OffsetToCommit(_message.Message):
    __slots__ = ("topic", "partition", "offset", "leader_epoch", "metadata", "topic_id", "retention_ms", "committed_at_ms")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    RETENTION_MS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    offset: int
    leader_epoch: int
    metadata: str
    topic_id: bytes
    retention_ms: int
    committed_at_ms: int
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., leader_epoch: _Optional[int] = ..., metadata: _Optional[str] = ..., topic_id: _Optional[bytes] = ..., retention_ms: _Optional[int] = ..., committed_at_ms: _Optional[int] = ...) -> None: ...

class CommitOffsetsRequest(_message.Message):
    __slots__ = ("group_id", "offsets", "member_id", "generation_id", "group_instance_id", "client", "predates_epochs")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    PREDATES_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    offsets: _containers.RepeatedCompositeFieldContainer[OffsetToCommit]
    member_id: str
    generation_id: int
    group_instance_id: str
    client: GroupClient
    predates_epochs: bool
    def __init__(self, group_id: _Optional[str] = ..., offsets: _Optional[_Iterable[_Union[OffsetToCommit, _Mapping]]] = ..., member_id: _Optional[str] = ..., generation_id: _Optional[int] = ..., group_instance_id: _Optional[str] = ..., client: _Optional[_Union[GroupClient, _Mapping]] = ..., predates_epochs: _Optional[bool] = ...) -> None: ...

class CommitResult(_message.Message):
    __slots__ = ("refusals", "refusal")
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    refusals: _containers.RepeatedScalarFieldContainer[GroupRefusal]
    refusal: GroupRefusal
    def __init__(self, refusals: _Optional[_Iterable[_Union[GroupRefusal, str]]] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class TopicPartitions(_message.Message):
    __slots__ = ("topic", "partitions", "topic_id")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partitions: _containers.RepeatedScalarFieldContainer[int]
    topic_id: bytes
    def __init__(self, topic: _Optional[str] = ..., partitions: _Optional[_Iterable[int]] = ..., topic_id: _Optional[bytes] = ...) -> None: ...

class TopicPartitionsList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[TopicPartitions]
    def __init__(self, items: _Optional[_Iterable[_Union[TopicPartitions, _Mapping]]] = ...) -> None: ...

class FetchOffsetsRequest(_message.Message):
    __slots__ = ("group_id", "topics", "member_id", "member_epoch", "require_stable")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_STABLE_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    topics: TopicPartitionsList
    member_id: str
    member_epoch: int
    require_stable: bool
    def __init__(self, group_id: _Optional[str] = ..., topics: _Optional[_Union[TopicPartitionsList, _Mapping]] = ..., member_id: _Optional[str] = ..., member_epoch: _Optional[int] = ..., require_stable: _Optional[bool] = ...) -> None: ...

class CommittedOffset(_message.Message):
    __slots__ = ("topic", "partition", "offset", "leader_epoch", "metadata", "refusal")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LEADER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    offset: int
    leader_epoch: int
    metadata: str
    refusal: GroupRefusal
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., leader_epoch: _Optional[int] = ..., metadata: _Optional[str] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class FetchedOffsets(_message.Message):
    __slots__ = ("offsets", "refusal")
    OFFSETS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    offsets: _containers.RepeatedCompositeFieldContainer[CommittedOffset]
    refusal: GroupRefusal
    def __init__(self, offsets: _Optional[_Iterable[_Union[CommittedOffset, _Mapping]]] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class DeleteOffsetsRequest(_message.Message):
    __slots__ = ("group_id", "topics")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    topics: _containers.RepeatedCompositeFieldContainer[TopicPartitions]
    def __init__(self, group_id: _Optional[str] = ..., topics: _Optional[_Iterable[_Union[TopicPartitions, _Mapping]]] = ...) -> None: ...

class DeletedOffsets(_message.Message):
    __slots__ = ("refusals", "refusal")
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    refusals: _containers.RepeatedScalarFieldContainer[GroupRefusal]
    refusal: GroupRefusal
    def __init__(self, refusals: _Optional[_Iterable[_Union[GroupRefusal, str]]] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class GroupIds(_message.Message):
    __slots__ = ("group_ids",)
    GROUP_IDS_FIELD_NUMBER: _ClassVar[int]
    group_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, group_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DescribedMember(_message.Message):
    __slots__ = ("member_id", "group_instance_id", "client", "metadata", "assignment")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    group_instance_id: str
    client: GroupClient
    metadata: bytes
    assignment: bytes
    def __init__(self, member_id: _Optional[str] = ..., group_instance_id: _Optional[str] = ..., client: _Optional[_Union[GroupClient, _Mapping]] = ..., metadata: _Optional[bytes] = ..., assignment: _Optional[bytes] = ...) -> None: ...

class DescribedGroup(_message.Message):
    __slots__ = ("group_id", "state", "protocol_type", "protocol_name", "members", "refusal", "message")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_TYPE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_NAME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    state: str
    protocol_type: str
    protocol_name: str
    members: _containers.RepeatedCompositeFieldContainer[DescribedMember]
    refusal: GroupRefusal
    message: str
    def __init__(self, group_id: _Optional[str] = ..., state: _Optional[str] = ..., protocol_type: _Optional[str] = ..., protocol_name: _Optional[str] = ..., members: _Optional[_Iterable[_Union[DescribedMember, _Mapping]]] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ..., message: _Optional[str] = ...) -> None: ...

class DescribedGroups(_message.Message):
    __slots__ = ("groups",)
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[DescribedGroup]
    def __init__(self, groups: _Optional[_Iterable[_Union[DescribedGroup, _Mapping]]] = ...) -> None: ...

class ListGroupsRequest(_message.Message):
    __slots__ = ("states", "types")
    STATES_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[str]
    types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, states: _Optional[_Iterable[str]] = ..., types: _Optional[_Iterable[str]] = ...) -> None: ...

class ListedGroup(_message.Message):
    __slots__ = ("group_id", "protocol_type", "state", "group_type")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    GROUP_TYPE_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    protocol_type: str
    state: str
    group_type: str
    def __init__(self, group_id: _Optional[str] = ..., protocol_type: _Optional[str] = ..., state: _Optional[str] = ..., group_type: _Optional[str] = ...) -> None: ...

class ListedGroups(_message.Message):
    __slots__ = ("groups", "refusal", "unanswered")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    UNANSWERED_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[ListedGroup]
    refusal: GroupRefusal
    unanswered: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, groups: _Optional[_Iterable[_Union[ListedGroup, _Mapping]]] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ..., unanswered: _Optional[_Iterable[str]] = ...) -> None: ...

class GroupResult(_message.Message):
    __slots__ = ("group_id", "refusal")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    refusal: GroupRefusal
    def __init__(self, group_id: _Optional[str] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ...) -> None: ...

class GroupResults(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[GroupResult]
    def __init__(self, results: _Optional[_Iterable[_Union[GroupResult, _Mapping]]] = ...) -> None: ...

class OwnedPartitions(_message.Message):
    __slots__ = ("topic_id", "partitions")
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    topic_id: bytes
    partitions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, topic_id: _Optional[bytes] = ..., partitions: _Optional[_Iterable[int]] = ...) -> None: ...

class OwnedPartitionsList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[OwnedPartitions]
    def __init__(self, items: _Optional[_Iterable[_Union[OwnedPartitions, _Mapping]]] = ...) -> None: ...

class StringList(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[str]] = ...) -> None: ...

class ConsumerHeartbeatRequest(_message.Message):
    __slots__ = ("group_id", "member_id", "member_epoch", "instance_id", "rack_id", "rebalance_timeout_ms", "subscribed_topic_names", "subscribed_topic_regex", "server_assignor", "owned", "client")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    RACK_ID_FIELD_NUMBER: _ClassVar[int]
    REBALANCE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_TOPIC_NAMES_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_TOPIC_REGEX_FIELD_NUMBER: _ClassVar[int]
    SERVER_ASSIGNOR_FIELD_NUMBER: _ClassVar[int]
    OWNED_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    member_id: str
    member_epoch: int
    instance_id: str
    rack_id: str
    rebalance_timeout_ms: int
    subscribed_topic_names: StringList
    subscribed_topic_regex: str
    server_assignor: str
    owned: OwnedPartitionsList
    client: GroupClient
    def __init__(self, group_id: _Optional[str] = ..., member_id: _Optional[str] = ..., member_epoch: _Optional[int] = ..., instance_id: _Optional[str] = ..., rack_id: _Optional[str] = ..., rebalance_timeout_ms: _Optional[int] = ..., subscribed_topic_names: _Optional[_Union[StringList, _Mapping]] = ..., subscribed_topic_regex: _Optional[str] = ..., server_assignor: _Optional[str] = ..., owned: _Optional[_Union[OwnedPartitionsList, _Mapping]] = ..., client: _Optional[_Union[GroupClient, _Mapping]] = ...) -> None: ...

class ConsumerHeartbeatTaken(_message.Message):
    __slots__ = ("member_id", "member_epoch", "heartbeat_interval_ms", "assignment", "refusal", "message")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    member_epoch: int
    heartbeat_interval_ms: int
    assignment: OwnedPartitionsList
    refusal: GroupRefusal
    message: str
    def __init__(self, member_id: _Optional[str] = ..., member_epoch: _Optional[int] = ..., heartbeat_interval_ms: _Optional[int] = ..., assignment: _Optional[_Union[OwnedPartitionsList, _Mapping]] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ..., message: _Optional[str] = ...) -> None: ...

class ConsumerMember(_message.Message):
    __slots__ = ("member_id", "member_epoch", "client", "instance_id", "rack_id", "subscribed_topic_names", "subscribed_topic_regex", "assignment", "target", "member_type")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_ID_FIELD_NUMBER: _ClassVar[int]
    RACK_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_TOPIC_NAMES_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBED_TOPIC_REGEX_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    MEMBER_TYPE_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    member_epoch: int
    client: GroupClient
    instance_id: str
    rack_id: str
    subscribed_topic_names: _containers.RepeatedScalarFieldContainer[str]
    subscribed_topic_regex: str
    assignment: _containers.RepeatedCompositeFieldContainer[OwnedPartitions]
    target: _containers.RepeatedCompositeFieldContainer[OwnedPartitions]
    member_type: int
    def __init__(self, member_id: _Optional[str] = ..., member_epoch: _Optional[int] = ..., client: _Optional[_Union[GroupClient, _Mapping]] = ..., instance_id: _Optional[str] = ..., rack_id: _Optional[str] = ..., subscribed_topic_names: _Optional[_Iterable[str]] = ..., subscribed_topic_regex: _Optional[str] = ..., assignment: _Optional[_Iterable[_Union[OwnedPartitions, _Mapping]]] = ..., target: _Optional[_Iterable[_Union[OwnedPartitions, _Mapping]]] = ..., member_type: _Optional[int] = ...) -> None: ...

class ConsumerGroup(_message.Message):
    __slots__ = ("group_id", "state", "group_epoch", "assignment_epoch", "assignor", "members", "refusal", "message")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    GROUP_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ASSIGNOR_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    state: str
    group_epoch: int
    assignment_epoch: int
    assignor: str
    members: _containers.RepeatedCompositeFieldContainer[ConsumerMember]
    refusal: GroupRefusal
    message: str
    def __init__(self, group_id: _Optional[str] = ..., state: _Optional[str] = ..., group_epoch: _Optional[int] = ..., assignment_epoch: _Optional[int] = ..., assignor: _Optional[str] = ..., members: _Optional[_Iterable[_Union[ConsumerMember, _Mapping]]] = ..., refusal: _Optional[_Union[GroupRefusal, str]] = ..., message: _Optional[str] = ...) -> None: ...

class ConsumerGroups(_message.Message):
    __slots__ = ("groups",)
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[ConsumerGroup]
    def __init__(self, groups: _Optional[_Iterable[_Union[ConsumerGroup, _Mapping]]] = ...) -> None: ...

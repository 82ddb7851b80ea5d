"""Kafka error codes of the refusals of the services behind the gateway."""

from collections.abc import Mapping
from typing import Final

from common.ports.group_errors import GroupRefusal
from common.ports.metadata import TopicRefusal
from common.ports.partitions import Refusal
from gateway_svc.wire.error_code import ErrorCode

PARTITION_ERRORS: Final[Mapping[Refusal, ErrorCode]] = {
    Refusal.NOT_OWNER: ErrorCode.NOT_LEADER_OR_FOLLOWER,
    Refusal.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    Refusal.CORRUPT_MESSAGE: ErrorCode.CORRUPT_MESSAGE,
    Refusal.INVALID_RECORD: ErrorCode.INVALID_RECORD,
    Refusal.MESSAGE_TOO_LARGE: ErrorCode.MESSAGE_TOO_LARGE,
    Refusal.INVALID_TIMESTAMP: ErrorCode.INVALID_TIMESTAMP,
    Refusal.UNSUPPORTED_COMPRESSION_TYPE: ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
    Refusal.OUT_OF_ORDER_SEQUENCE_NUMBER: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    Refusal.INVALID_PRODUCER_EPOCH: ErrorCode.INVALID_PRODUCER_EPOCH,
    Refusal.KAFKA_STORAGE_ERROR: ErrorCode.KAFKA_STORAGE_ERROR,
    Refusal.OFFSET_OUT_OF_RANGE: ErrorCode.OFFSET_OUT_OF_RANGE,
    Refusal.FENCED_LEADER_EPOCH: ErrorCode.FENCED_LEADER_EPOCH,
    Refusal.UNKNOWN_LEADER_EPOCH: ErrorCode.UNKNOWN_LEADER_EPOCH,
    Refusal.UNSUPPORTED_TIMESTAMP: ErrorCode.UNSUPPORTED_VERSION,
    Refusal.MOVING: ErrorCode.NOT_LEADER_OR_FOLLOWER,
    # Retriable: the client refreshes its metadata, and by then the owner may be back.
    Refusal.NO_RESPONSE: ErrorCode.NOT_LEADER_OR_FOLLOWER,
    Refusal.INVALID_TOPIC_EXCEPTION: ErrorCode.INVALID_TOPIC_EXCEPTION,
}

#: The same for appends. Their leader epoch comes from the gateway, not from the client. So if it
#: differs from the owner's, the client gets an error after which it refreshes its metadata.
APPEND_ERRORS: Final[Mapping[Refusal, ErrorCode]] = {
    **PARTITION_ERRORS,
    Refusal.FENCED_LEADER_EPOCH: ErrorCode.NOT_LEADER_OR_FOLLOWER,
    Refusal.UNKNOWN_LEADER_EPOCH: ErrorCode.NOT_LEADER_OR_FOLLOWER,
    # The records may have been stored: producers retry, and idempotent ones cause no duplicates.
    Refusal.NO_RESPONSE: ErrorCode.REQUEST_TIMED_OUT,
}

TOPIC_ERRORS: Final[Mapping[TopicRefusal, ErrorCode]] = {
    TopicRefusal.TOPIC_ALREADY_EXISTS: ErrorCode.TOPIC_ALREADY_EXISTS,
    TopicRefusal.INVALID_TOPIC_NAME: ErrorCode.INVALID_TOPIC_EXCEPTION,
    TopicRefusal.INVALID_PARTITIONS: ErrorCode.INVALID_PARTITIONS,
    TopicRefusal.INVALID_REPLICATION_FACTOR: ErrorCode.INVALID_REPLICATION_FACTOR,
    TopicRefusal.INVALID_REPLICA_ASSIGNMENT: ErrorCode.INVALID_REPLICA_ASSIGNMENT,
    TopicRefusal.INVALID_CONFIG: ErrorCode.INVALID_CONFIG,
    TopicRefusal.INVALID_REQUEST: ErrorCode.INVALID_REQUEST,
    TopicRefusal.UNKNOWN_TOPIC: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    TopicRefusal.UNKNOWN_TOPIC_ID: ErrorCode.UNKNOWN_TOPIC_ID,
    TopicRefusal.TIMED_OUT: ErrorCode.REQUEST_TIMED_OUT,
    TopicRefusal.NO_OWNER: ErrorCode.BROKER_NOT_AVAILABLE,
    TopicRefusal.STORAGE_ERROR: ErrorCode.KAFKA_STORAGE_ERROR,
}

#: Refusals of coordinators have the names of Kafka's errors.
GROUP_ERRORS: Final[Mapping[GroupRefusal | None, ErrorCode]] = {
    None: ErrorCode.NONE,
    **{refusal: ErrorCode[refusal.name] for refusal in GroupRefusal},
}

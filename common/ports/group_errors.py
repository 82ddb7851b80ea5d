"""The refusals of group coordinators, and the client of a request."""

from enum import IntEnum
from typing import Final, NamedTuple


class GroupRefusal(IntEnum):
    """The reason why a coordinator did not execute a request.

    Numbers and names are coordinator.v1.GroupRefusal's; the names are also those of Kafka's errors.
    """

    NOT_COORDINATOR = 1
    COORDINATOR_LOAD_IN_PROGRESS = 2
    COORDINATOR_NOT_AVAILABLE = 3
    INVALID_GROUP_ID = 4
    UNKNOWN_MEMBER_ID = 5
    MEMBER_ID_REQUIRED = 6
    ILLEGAL_GENERATION = 7
    REBALANCE_IN_PROGRESS = 8
    FENCED_INSTANCE_ID = 9
    INCONSISTENT_GROUP_PROTOCOL = 10
    INVALID_SESSION_TIMEOUT = 11
    GROUP_MAX_SIZE_REACHED = 12
    GROUP_ID_NOT_FOUND = 13
    NON_EMPTY_GROUP = 14
    GROUP_SUBSCRIBED_TO_TOPIC = 15
    OFFSET_METADATA_TOO_LARGE = 16
    UNKNOWN_TOPIC_OR_PARTITION = 17
    UNKNOWN_TOPIC_ID = 18
    UNSTABLE_OFFSET_COMMIT = 19
    STALE_MEMBER_EPOCH = 20
    FENCED_MEMBER_EPOCH = 21
    UNRELEASED_INSTANCE_ID = 22
    UNSUPPORTED_ASSIGNOR = 23
    INVALID_REGULAR_EXPRESSION = 24
    INVALID_REQUEST = 25
    UNSUPPORTED_VERSION = 26
    UNKNOWN_SERVER_ERROR = 27


class GroupClient(NamedTuple):
    """The client in descriptions of a member: Kafka's client id, and its host as "/10.0.0.1"."""

    client_id: str = ""
    client_host: str = ""


UNKNOWN_CLIENT: Final = GroupClient()

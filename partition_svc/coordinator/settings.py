"""Settings of all groups, with the names and defaults of Kafka's broker settings."""

from dataclasses import dataclass
from typing import Final

_MINUTE_MS: Final = 60_000


@dataclass(slots=True, frozen=True)
class GroupSettings:
    """All times in milliseconds; sizes in members and in characters."""

    #: group.initial.rebalance.delay.ms
    initial_rebalance_delay_ms: int = 3_000
    #: group.min.session.timeout.ms
    min_session_timeout_ms: int = 6_000
    #: group.max.session.timeout.ms
    max_session_timeout_ms: int = 30 * _MINUTE_MS
    #: group.max.size
    max_size: int = 2**31 - 1
    #: group.new.member.join.timeout.ms: limit for a new member's first generation.
    new_member_join_timeout_ms: int = 5 * _MINUTE_MS
    #: group.consumer.heartbeat.interval.ms
    consumer_heartbeat_interval_ms: int = 5_000
    #: group.consumer.session.timeout.ms
    consumer_session_timeout_ms: int = 45_000
    #: group.consumer.migration.policy: upgrade a classic group when a member of the consumer
    #: protocol joins, and downgrade it when the last of these leaves.
    may_upgrade: bool = True
    may_downgrade: bool = True
    #: offset.metadata.max.bytes
    offset_metadata_max: int = 4_096
    #: offsets.retention.minutes
    offsets_retention_ms: int = 7 * 24 * 60 * _MINUTE_MS

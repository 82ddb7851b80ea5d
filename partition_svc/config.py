"""Settings of a partition service. Names that exist in Apache Kafka have Kafka's meaning."""

from typing import Final

from common.config.addresses import metadata_address_setting
from common.config.settings import setting, settings
from partition_svc.coordinator.settings import GroupSettings

_MINUTE_MS: Final = 60_000
_INT_MAX: Final = 2**31 - 1


@settings
class PartitionSettings:
    """The partition service."""

    data_dir: str = setting(
        "data.dir", flag="--data-dir", default="data/partition", doc="Directory of the logs."
    )
    grpc_listen: str = setting(
        "grpc.listen",
        flag="--grpc-listen",
        default="0.0.0.0:9292",
        doc="Address of the gRPC server, host:port; port 0 takes a free one.",
    )
    member: str = setting(
        "member.name",
        flag="--member",
        default="partition-0",
        doc="Stable name of this service. It owns its partitions under this name after a restart.",
    )
    advertised_address: str = setting(
        "grpc.advertised.address",
        default="",
        doc="host:port at which gateways reach this service; empty: the host name and the port.",
    )
    metadata_address: str = metadata_address_setting()
    acks_all_durability: str = setting(
        "log.acks.all.durability",
        default="sync",
        choices=("sync", "os"),
        doc="Durability of acks=all: 'sync' waits for the disk, 'os' for the operating system: "
        "that survives the process but not the machine.",
    )
    validate_records: str = setting(
        "log.validate.records",
        default="header",
        choices=("header", "full"),
        doc="Validation of batches: 'header' checks header and CRC, 'full' also every record, as "
        "Apache Kafka does, at about half a microsecond each.",
    )
    flush_bytes: int = setting(
        "log.flush.bytes",
        default=64 << 20,
        low=1 << 20,
        high=128 << 20,
        unit="bytes",
        doc="Appended bytes in memory before they are flushed to a file.",
    )
    reserve_bytes: int = setting(
        "log.reserve.bytes",
        default=64 << 20,
        low=0,
        unit="bytes",
        doc="Free space of the disk reserved for deleting, beside unflushed data. With less, "
        "appends are refused. 0: no reserve; a full disk then cannot always be emptied.",
    )
    tail_cache_bytes: int = setting(
        "log.tail.cache.bytes",
        default=32 << 20,
        low=0,
        unit="bytes",
        doc="Memory for the newest batches of all logs, from which consumers read.",
    )
    fetch_bytes_max: int = setting(
        "fetch.max.bytes",
        default=57_671_680,
        low=1024,
        unit="bytes",
        doc="Largest response to a fetch; one whole batch is always allowed.",
    )
    producer_expiration_ms: int = setting(
        "producer.id.expiration.ms",
        default=86_400_000,
        low=1,
        unit="ms",
        doc="Time after which the state of an idle idempotent producer is removed.",
    )
    producer_expiration_check_ms: int = setting(
        "producer.id.expiration.check.interval.ms",
        default=600_000,
        low=1,
        unit="ms",
        doc="Interval of removing idle producers.",
    )
    producer_ids_max: int = setting(
        "producer.ids.max.per.partition",
        default=100_000,
        low=1,
        doc="Idempotent producers of a partition; beyond it the least recently active ones are "
        "removed, except those of the last two minutes.",
    )
    cleaner_enable: bool = setting(
        "log.cleaner.enable",
        default=True,
        doc="Compact topics with cleanup.policy 'compact'.",
    )
    cleaner_backoff_ms: int = setting(
        "log.cleaner.backoff.ms",
        default=15_000,
        low=1,
        unit="ms",
        doc="Interval of looking for logs to compact.",
    )
    cleaner_buffer_bytes: int = setting(
        "log.cleaner.dedupe.buffer.size",
        default=128 << 20,
        low=0,
        unit="bytes",
        doc="Memory for the keys of the log being compacted, about 200 bytes each; a log with more "
        "keys takes several passes.",
    )
    cleaner_bytes_per_second: int = setting(
        "log.cleaner.io.max.bytes.per.second",
        default=0,
        low=0,
        unit="bytes per second",
        doc="Limit of compaction's reads and writes together; 0: no limit.",
    )
    volume_token_interval_ms: int = setting(
        "volume.token.interval.ms",
        default=5_000,
        low=1,
        unit="ms",
        doc="Interval of renewing the volume's token while there are writes. A copy of the volume "
        "from before the last renewal is recognised as older.",
    )
    stray_delete_delay_ms: int = setting(
        "log.stray.delete.delay.ms",
        default=-1,
        low=-1,
        unit="ms",
        doc="Delay after the start before stray logs are deleted: logs that the metadata service "
        "does not place here and has not recorded as deleted or moved. -1: never, because they "
        "may be the only copy after metadata was restored from a backup.",
    )
    move_bytes_per_second: int = setting(
        "ring.move.bytes.per.second",
        default=50 << 20,
        low=0,
        unit="bytes per second",
        doc="Limit of all incoming copies of moving partitions together; 0: no limit.",
    )
    move_copy_retention_ms: int = setting(
        "ring.move.copy.retention.ms",
        default=120_000,
        low=0,
        unit="ms",
        doc="Time for which the copy of a rolled-back move is kept, so that the next attempt "
        "continues with it. 0: it is deleted at once, as copies of compacted topics always are.",
    )
    shutdown_grace_ms: int = setting(
        "shutdown.grace.ms",
        default=15_000,
        low=0,
        unit="ms",
        doc="Time for requests in flight to finish when the process stops.",
    )
    group_initial_rebalance_delay_ms: int = setting(
        "group.initial.rebalance.delay.ms",
        default=3_000,
        low=0,
        unit="ms",
        doc="Time for which an empty group waits for more members after the first one.",
    )
    group_min_session_timeout_ms: int = setting(
        "group.min.session.timeout.ms",
        default=6_000,
        low=1,
        unit="ms",
        doc="Shortest session timeout of a member.",
    )
    group_max_session_timeout_ms: int = setting(
        "group.max.session.timeout.ms",
        default=1_800_000,
        low=1,
        unit="ms",
        doc="Longest session timeout of a member.",
    )
    group_max_size: int = setting(
        "group.max.size",
        default=_INT_MAX,
        low=1,
        high=_INT_MAX,
        doc="Largest number of members of a group.",
    )
    group_consumer_heartbeat_interval_ms: int = setting(
        "group.consumer.heartbeat.interval.ms",
        default=5_000,
        low=1,
        high=_INT_MAX,
        unit="ms",
        doc="Heartbeat interval of members of consumer groups.",
    )
    group_consumer_session_timeout_ms: int = setting(
        "group.consumer.session.timeout.ms",
        default=45_000,
        low=1,
        high=_INT_MAX,
        unit="ms",
        doc="Session timeout of members of consumer groups.",
    )
    group_consumer_migration_policy: str = setting(
        "group.consumer.migration.policy",
        default="bidirectional",
        choices=("bidirectional", "upgrade", "downgrade", "disabled"),
        doc="Allowed protocol changes of groups with members: upgrade from classic, downgrade.",
    )
    offset_metadata_max: int = setting(
        "offset.metadata.max.bytes",
        default=4_096,
        low=0,
        high=32_767,
        unit="bytes",
        doc="Largest metadata text of a committed offset.",
    )
    offsets_retention_minutes: int = setting(
        "offsets.retention.minutes",
        default=10_080,
        low=1,
        high=_INT_MAX,
        unit="minutes",
        doc="Retention of committed offsets after the last member of their group has left.",
    )
    offsets_retention_check_ms: int = setting(
        "offsets.retention.check.interval.ms",
        default=600_000,
        low=1,
        unit="ms",
        doc="Interval of removing expired offsets.",
    )

    @property
    def groups(self) -> GroupSettings:
        """The settings of group coordinators."""
        policy = self.group_consumer_migration_policy
        return GroupSettings(
            initial_rebalance_delay_ms=self.group_initial_rebalance_delay_ms,
            min_session_timeout_ms=self.group_min_session_timeout_ms,
            max_session_timeout_ms=self.group_max_session_timeout_ms,
            max_size=self.group_max_size,
            consumer_heartbeat_interval_ms=self.group_consumer_heartbeat_interval_ms,
            consumer_session_timeout_ms=self.group_consumer_session_timeout_ms,
            may_upgrade=policy in ("bidirectional", "upgrade"),
            may_downgrade=policy in ("bidirectional", "downgrade"),
            offset_metadata_max=self.offset_metadata_max,
            offsets_retention_ms=self.offsets_retention_minutes * _MINUTE_MS,
        )

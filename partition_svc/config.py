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
        "data.dir", flag="--data-dir", default="data/partition", doc="Where the logs are kept."
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
        doc="Stable name of this service: who comes back under it owns what it owned.",
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
        doc="What acks=all waits for: 'sync' until the data is on disk, 'os' until the operating "
        "system has it, which survives the process but not the machine.",
    )
    validate_records: str = setting(
        "log.validate.records",
        default="header",
        choices=("header", "full"),
        doc="What is checked of each batch: 'header' its header and CRC, 'full' also every record "
        "in it, as Apache Kafka does, at about half a microsecond for each.",
    )
    flush_bytes: int = setting(
        "log.flush.bytes",
        default=64 << 20,
        low=1 << 20,
        high=128 << 20,
        unit="bytes",
        doc="Appended bytes that are kept in memory before they become a file.",
    )
    reserve_bytes: int = setting(
        "log.reserve.bytes",
        default=64 << 20,
        low=0,
        unit="bytes",
        doc="Free space of the disk that appends leave for deleting, beside what is in memory: "
        "where there is less they are refused. 0: nothing; a full disk may not be emptied then.",
    )
    tail_cache_bytes: int = setting(
        "log.tail.cache.bytes",
        default=32 << 20,
        low=0,
        unit="bytes",
        doc="Newest batches of all logs that are kept in memory for consumers.",
    )
    fetch_bytes_max: int = setting(
        "fetch.max.bytes",
        default=57_671_680,
        low=1024,
        unit="bytes",
        doc="Largest answer to a fetch, save that one whole batch is always allowed.",
    )
    producer_expiration_ms: int = setting(
        "producer.id.expiration.ms",
        default=86_400_000,
        low=1,
        unit="ms",
        doc="How long an idempotent producer that is silent is remembered.",
    )
    producer_expiration_check_ms: int = setting(
        "producer.id.expiration.check.interval.ms",
        default=600_000,
        low=1,
        unit="ms",
        doc="How often silent producers are looked for.",
    )
    producer_ids_max: int = setting(
        "producer.ids.max.per.partition",
        default=100_000,
        low=1,
        doc="How many idempotent producers a partition remembers; beyond it those are forgotten"
        " that appended least recently, save for the last two minutes.",
    )
    cleaner_enable: bool = setting(
        "log.cleaner.enable",
        default=True,
        doc="Whether topics with cleanup.policy 'compact' are compacted.",
    )
    cleaner_backoff_ms: int = setting(
        "log.cleaner.backoff.ms",
        default=15_000,
        low=1,
        unit="ms",
        doc="How often logs that are worth compacting are looked for.",
    )
    cleaner_buffer_bytes: int = setting(
        "log.cleaner.dedupe.buffer.size",
        default=128 << 20,
        low=0,
        unit="bytes",
        doc="Memory for the keys of the log that is being compacted, about 200 bytes each; a log "
        "with more keys takes several passes.",
    )
    cleaner_bytes_per_second: int = setting(
        "log.cleaner.io.max.bytes.per.second",
        default=0,
        low=0,
        unit="bytes per second",
        doc="How fast compaction may read and write, both together; 0: without a limit.",
    )
    volume_token_interval_ms: int = setting(
        "volume.token.interval.ms",
        default=5_000,
        low=1,
        unit="ms",
        doc="How often the token of the volume is renewed while there are writes. A copy of the "
        "volume that is older than the last renewal is known as an older one.",
    )
    stray_delete_delay_ms: int = setting(
        "log.stray.delete.delay.ms",
        default=-1,
        low=-1,
        unit="ms",
        doc="How long after the start stray logs are deleted: those of topics or partitions that "
        "the metadata service does not place here, without saying that they were deleted or moved. "
        "-1: never, for they may be all that is left after metadata was restored from a backup.",
    )
    move_bytes_per_second: int = setting(
        "ring.move.bytes.per.second",
        default=50 << 20,
        low=0,
        unit="bytes per second",
        doc="How fast partitions that move here may be copied, all together; 0: without a limit.",
    )
    move_copy_retention_ms: int = setting(
        "ring.move.copy.retention.ms",
        default=120_000,
        low=0,
        unit="ms",
        doc="How long the copy of a move that was rolled back stays: the next attempt goes on with "
        "it. 0: it is deleted at once, as that of a compacted topic always is.",
    )
    shutdown_grace_ms: int = setting(
        "shutdown.grace.ms",
        default=15_000,
        low=0,
        unit="ms",
        doc="How long requests in flight may take to end when the process is told to stop.",
    )
    group_initial_rebalance_delay_ms: int = setting(
        "group.initial.rebalance.delay.ms",
        default=3_000,
        low=0,
        unit="ms",
        doc="How long an empty group waits for more members after its first one.",
    )
    group_min_session_timeout_ms: int = setting(
        "group.min.session.timeout.ms",
        default=6_000,
        low=1,
        unit="ms",
        doc="Shortest session timeout that a member may ask for.",
    )
    group_max_session_timeout_ms: int = setting(
        "group.max.session.timeout.ms",
        default=1_800_000,
        low=1,
        unit="ms",
        doc="Longest session timeout that a member may ask for.",
    )
    group_max_size: int = setting(
        "group.max.size",
        default=_INT_MAX,
        low=1,
        high=_INT_MAX,
        doc="Members that a group may have.",
    )
    group_consumer_heartbeat_interval_ms: int = setting(
        "group.consumer.heartbeat.interval.ms",
        default=5_000,
        low=1,
        high=_INT_MAX,
        unit="ms",
        doc="How often members of consumer groups are told to send heartbeats.",
    )
    group_consumer_session_timeout_ms: int = setting(
        "group.consumer.session.timeout.ms",
        default=45_000,
        low=1,
        high=_INT_MAX,
        unit="ms",
        doc="How long a member of a consumer group may be silent.",
    )
    group_consumer_migration_policy: str = setting(
        "group.consumer.migration.policy",
        default="bidirectional",
        choices=("bidirectional", "upgrade", "downgrade", "disabled"),
        doc="Which groups with members change protocol: upgrade from classic, downgrade to it.",
    )
    offset_metadata_max: int = setting(
        "offset.metadata.max.bytes",
        default=4_096,
        low=0,
        high=32_767,
        unit="bytes",
        doc="Largest text that may be committed with an offset.",
    )
    offsets_retention_minutes: int = setting(
        "offsets.retention.minutes",
        default=10_080,
        low=1,
        high=_INT_MAX,
        unit="minutes",
        doc="How long committed offsets outlive the last member of their group.",
    )
    offsets_retention_check_ms: int = setting(
        "offsets.retention.check.interval.ms",
        default=600_000,
        low=1,
        unit="ms",
        doc="How often offsets that have expired are looked for.",
    )

    @property
    def groups(self) -> GroupSettings:
        """What groups are to know of it."""
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

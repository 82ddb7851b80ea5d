"""The topic configs that logs apply, parsed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from common.config.topic_configs import effective, effective_int

#: compression.type as a codec number; "producer" leaves batches unchanged.
_CODECS: Final = {
    "producer": None, "uncompressed": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4,
}  # fmt: skip
FOREVER: Final = (1 << 63) - 1
#: Limit of segment.bytes for compacted logs: the store keeps segments that are not compacted yet in
#: memory, and a starting consumer has to read them.
_SEGMENT_BYTES_MAX: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Times are milliseconds. With `codec` None batches keep the compression of the producer."""

    message_bytes_max: int = 1_048_588
    is_log_append_time: bool = False
    timestamp_before_max_ms: int = FOREVER
    timestamp_after_max_ms: int = 3_600_000
    is_compacted: bool = False
    delete_retention_ms: int = 86_400_000
    compaction_lag_min_ms: int = 0
    compaction_lag_max_ms: int = FOREVER
    #: Limits of a segment of a compacted log. Other logs begin one with each store generation.
    segment_bytes: int = FOREVER
    segment_ms: int = FOREVER
    #: Share of a log that is not compacted yet, from 0 to 1, above which it is compacted.
    dirty_ratio_min: float = 0.5
    codec: int | None = None
    #: True if only coordinators may append.
    is_internal: bool = False
    #: True if the records of every batch are examined, even if no other config requires it.
    validates_records: bool = False
    #: True if an uncompressed batch may be accepted by its header alone: see `validate`.
    is_plain: bool = field(init=False)

    def __post_init__(self) -> None:
        # Computed once, since every append reads it.
        has_times = self.timestamp_before_max_ms < FOREVER
        opens = self.is_compacted or self.validates_records or self.codec is not None or has_times
        is_plain = not (opens or self.is_log_append_time or self.is_internal)
        object.__setattr__(self, "is_plain", is_plain)

    @classmethod
    def of(
        cls,
        configs: Mapping[str, str],
        broker_configs: Mapping[str, str],
        *,
        is_internal: bool = False,
        validates_records: bool = False,
    ) -> "LogConfig":
        """Returns the effective config of a topic that sets `configs`."""

        def text(name: str) -> str:
            return effective(name, configs, broker_configs)

        def number(name: str) -> int:
            return effective_int(name, configs, broker_configs)

        is_compacted = "compact" in text("cleanup.policy").split(",")
        segment_bytes = segment_ms = FOREVER
        if is_compacted:
            segment_bytes = min(number("segment.bytes"), _SEGMENT_BYTES_MAX)
            # The newest segment is not compacted, so it must not get older than this (as in Kafka).
            segment_ms = min(number("segment.ms"), number("max.compaction.lag.ms"))
        return cls(
            message_bytes_max=number("max.message.bytes"),
            is_log_append_time=text("message.timestamp.type") == "LogAppendTime",
            timestamp_before_max_ms=number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms=number("message.timestamp.after.max.ms"),
            is_compacted=is_compacted,
            delete_retention_ms=number("delete.retention.ms"),
            compaction_lag_min_ms=number("min.compaction.lag.ms"),
            compaction_lag_max_ms=number("max.compaction.lag.ms"),
            segment_bytes=segment_bytes,
            segment_ms=segment_ms,
            dirty_ratio_min=float(text("min.cleanable.dirty.ratio")),
            codec=_CODECS[text("compression.type")],
            is_internal=is_internal,
            validates_records=validates_records,
        )

"""The topic configs that a log obeys, as numbers and flags."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from common.config.topic_configs import effective, effective_int

#: compression.type as a codec number; "producer" leaves batches as they come.
_CODECS: Final = {
    "producer": None, "uncompressed": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4,
}  # fmt: skip
FOREVER: Final = (1 << 63) - 1
#: A compacted log begins another segment after so much, whatever segment.bytes is: the store keeps
#: what compaction has not yet reached in memory, and a start of a consumer has to read it.
_SEGMENT_BYTES_MAX: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Times are milliseconds. `codec` None: batches keep the compression they come with."""

    message_bytes_max: int = 1_048_588
    is_log_append_time: bool = False
    timestamp_before_max_ms: int = FOREVER
    timestamp_after_max_ms: int = 3_600_000
    is_compacted: bool = False
    delete_retention_ms: int = 86_400_000
    compaction_lag_min_ms: int = 0
    compaction_lag_max_ms: int = FOREVER
    #: When a compacted log begins another segment; others do so with a generation of the store.
    segment_bytes: int = FOREVER
    segment_ms: int = FOREVER
    #: Share of a log that is not yet compacted, from 0 to 1, above which it is.
    dirty_ratio_min: float = 0.5
    codec: int | None = None
    #: Whether only coordinators may append.
    is_internal: bool = False
    #: Whether the records of every batch are examined, also where nothing else asks for it.
    validates_records: bool = False
    #: Whether a usual batch is acceptable by its header, and stored as it came: the fast path.
    is_plain: bool = field(init=False)

    def __post_init__(self) -> None:
        # Computed once, for they are asked at every append.
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
        """What is in force for a topic with `configs` of its own."""

        def text(name: str) -> str:
            return effective(name, configs, broker_configs)

        def number(name: str) -> int:
            return effective_int(name, configs, broker_configs)

        is_compacted = "compact" in text("cleanup.policy").split(",")
        segment_bytes = segment_ms = FOREVER
        if is_compacted:
            segment_bytes = min(number("segment.bytes"), _SEGMENT_BYTES_MAX)
            # As Kafka has it: the newest segment is not compacted, so it may not get older.
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

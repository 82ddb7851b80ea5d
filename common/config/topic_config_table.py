"""The table of topic configs: names, types, defaults, synonyms and documentation.

It has every topic config of Apache Kafka 4 (org.apache.kafka.common.config.TopicConfig and
LogConfig), so that tools which set or list them work. Some have no effect in ringlog, which keeps
one copy of each partition and has neither segment files nor tiered storage; their `doc` says so.
`topic_configs.py` uses the table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from common.config.values import (
    INT_MAX,
    LONG_MAX,
    Check,
    ConfigType,
    InvalidValue,
    Value,
    at_least,
    between,
    each_of,
    either,
    one_of,
    read,
    shortened,
)

_DAY_MS = 24 * 60 * 60 * 1000
_NO_EFFECT = " Accepted for compatibility; has no effect in ringlog."
_NOT_YET = " Accepted but not enforced yet: ringlog deletes no records by age or size."


class BrokerSynonym(NamedTuple):
    """A broker config that gives a topic config its default; `factor` converts its unit."""

    name: str
    factor: int = 1

    def convert(self, value: str) -> str:
        """Converts a value of the broker config to one of the topic config; "-1" is unlimited."""
        if self.factor == 1:
            return value
        number = int(value)
        return str(number * self.factor) if number >= 0 else "-1"


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """One row of the table. The first of `synonyms` that is set counts."""

    name: str
    type: ConfigType
    default: str
    synonyms: tuple[BrokerSynonym, ...]
    check: Check | None
    doc: str

    def problem(self, value: str) -> str | None:
        """Returns the problem of `value`, as a sentence that names the config, or None."""
        try:
            parsed = read(self.type, value)
            reason = None if self.check is None else self.check(parsed)
        except InvalidValue as error:
            reason = str(error)
        if reason is None:
            return None
        return f"Invalid value {shortened(value)} for configuration {self.name}: {reason}"


def _log(*names: str | BrokerSynonym) -> tuple[BrokerSynonym, ...]:
    """Returns broker configs of these names, each with the prefix "log."."""
    synonyms = (BrokerSynonym(name) if isinstance(name, str) else name for name in names)
    return tuple(BrokerSynonym("log." + synonym.name, synonym.factor) for synonym in synonyms)


def _replicas(value: Value) -> str | None:
    """Checks for "*", or pairs of partition and broker such as "0:1,1:2".

    The rule of ThrottledReplicaListValidator.
    """
    assert isinstance(value, tuple)
    if value == ("*",) or all(re.fullmatch(r"([0-9]+:[0-9]+)?", pair) for pair in value):
        return None
    return "must be * or a list of partition:broker"


def _same(name: str) -> tuple[BrokerSynonym, ...]:
    return (BrokerSynonym(name),)


_HOURS = 60 * 60 * 1000
_MINUTES = 60 * 1000
_BOOLEAN, _STRING, _LIST = ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.LIST
_INT, _LONG, _DOUBLE = ConfigType.INT, ConfigType.LONG, ConfigType.DOUBLE


# Name, type, default, broker synonyms, check, documentation.
_ROWS: Final = (
    TopicConfig(
        "cleanup.policy", _LIST, "delete", _log("cleanup.policy"), each_of("compact", "delete"),
        "The cleanup of old records: 'delete' removes them by retention.ms and retention.bytes, "
        "which ringlog does not do yet; 'compact' keeps the newest record of each key and requires "
        "every record to have one; both together do both, and an empty list keeps all records.",
    ),
    TopicConfig(
        "compression.gzip.level", _INT, "-1", _same("compression.gzip.level"),
        either(-1, between(1, 9)),
        "Level if compression.type is gzip; -1 is the default of the library.",
    ),
    TopicConfig(
        "compression.lz4.level", _INT, "9", _same("compression.lz4.level"), between(1, 17),
        "Level if compression.type is lz4.",
    ),
    TopicConfig(
        "compression.type", _STRING, "producer", _same("compression.type"),
        one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
        "How batches are compressed in the log; 'producer' keeps the compression of the producer.",
    ),
    TopicConfig(
        "compression.zstd.level", _INT, "3", _same("compression.zstd.level"), between(-131072, 22),
        "Level if compression.type is zstd.",
    ),
    TopicConfig(
        "delete.retention.ms", _LONG, str(_DAY_MS), _log("cleaner.delete.retention.ms"),
        at_least(0),
        "How long compaction keeps the tombstone of a deleted key, in milliseconds.",
    ),
    TopicConfig(
        "file.delete.delay.ms", _LONG, "60000", _log("segment.delete.delay.ms"), at_least(0),
        "Pause before a file that is no longer needed is deleted." + _NO_EFFECT,
    ),
    TopicConfig(
        "flush.messages", _LONG, str(LONG_MAX), _log("flush.interval.messages"), at_least(1),
        "Records between two syncs to disk. ringlog syncs before it responds to acks=all."
        + _NO_EFFECT,
    ),
    TopicConfig(
        "flush.ms", _LONG, str(LONG_MAX), _log("flush.interval.ms", "flush.scheduler.interval.ms"),
        at_least(0),
        "Time between two syncs to disk. ringlog syncs before it responds to acks=all."
        + _NO_EFFECT,
    ),
    TopicConfig(
        "follower.replication.throttled.replicas", _LIST, "", (), _replicas,
        "Replicas whose replication is throttled on the follower's side." + _NO_EFFECT,
    ),
    TopicConfig(
        "index.interval.bytes", _INT, "4096", _log("index.interval.bytes"), at_least(0),
        "Bytes of log between two index entries." + _NO_EFFECT,
    ),
    TopicConfig(
        "leader.replication.throttled.replicas", _LIST, "", (), _replicas,
        "Replicas whose replication is throttled on the leader's side." + _NO_EFFECT,
    ),
    TopicConfig(
        "local.retention.bytes", _LONG, "-2", _log("local.retention.bytes"), at_least(-2),
        "Bytes kept locally with tiered storage; -2: as retention.bytes." + _NO_EFFECT,
    ),
    TopicConfig(
        "local.retention.ms", _LONG, "-2", _log("local.retention.ms"), at_least(-2),
        "Time kept locally with tiered storage; -2: as retention.ms." + _NO_EFFECT,
    ),
    TopicConfig(
        "max.compaction.lag.ms", _LONG, str(LONG_MAX), _log("cleaner.max.compaction.lag.ms"),
        at_least(1),
        "The longest time before a record is compacted, in milliseconds.",
    ),
    TopicConfig(
        "max.message.bytes", _INT, "1048588", _same("message.max.bytes"), at_least(0),
        "The largest accepted record batch, in bytes as sent, including its header.",
    ),
    TopicConfig(
        "message.timestamp.after.max.ms", _LONG, "3600000", _log("message.timestamp.after.max.ms"),
        at_least(0),
        "How far a record's timestamp may be in the future, in milliseconds, if "
        "message.timestamp.type is CreateTime.",
    ),
    TopicConfig(
        "message.timestamp.before.max.ms", _LONG, str(LONG_MAX),
        _log("message.timestamp.before.max.ms"), at_least(0),
        "How far a record's timestamp may be in the past, in milliseconds, if "
        "message.timestamp.type is CreateTime.",
    ),
    TopicConfig(
        "message.timestamp.type", _STRING, "CreateTime", _log("message.timestamp.type"),
        one_of("CreateTime", "LogAppendTime"),
        "The timestamp of records: the one of their producer, or the time of the append.",
    ),
    TopicConfig(
        "min.cleanable.dirty.ratio", _DOUBLE, "0.5", _log("cleaner.min.cleanable.ratio"),
        between(0, 1),
        "The share of a log that is not yet compacted at which compaction starts.",
    ),
    TopicConfig(
        "min.compaction.lag.ms", _LONG, "0", _log("cleaner.min.compaction.lag.ms"), at_least(0),
        "The shortest time before a record may be compacted, in milliseconds.",
    ),
    TopicConfig(
        "min.insync.replicas", _INT, "1", _same("min.insync.replicas"), at_least(1),
        "Replicas that must have a record before the response to acks=all. There is one, and it "
        "has the record on disk then." + _NO_EFFECT,
    ),
    TopicConfig(
        "preallocate", _BOOLEAN, "false", _log("preallocate"), None,
        "Allocate files with their full size when they are created." + _NO_EFFECT,
    ),
    TopicConfig(
        "remote.copy.lag.bytes", _LONG, "-1", _log("remote.copy.lag.bytes"), at_least(-1),
        "Bytes that are not copied to tiered storage yet." + _NO_EFFECT,
    ),
    TopicConfig(
        "remote.copy.lag.ms", _LONG, "0", _log("remote.copy.lag.ms"), at_least(-1),
        "Time before records are copied to tiered storage." + _NO_EFFECT,
    ),
    TopicConfig(
        "remote.log.copy.disable", _BOOLEAN, "false", (), None,
        "Make tiered data read-only." + _NO_EFFECT,
    ),
    TopicConfig(
        "remote.log.delete.on.disable", _BOOLEAN, "false", (), None,
        "Delete tiered data when tiered storage is disabled." + _NO_EFFECT,
    ),
    TopicConfig(
        "remote.storage.enable", _BOOLEAN, "false", (), None,
        "Use tiered storage. ringlog has none and refuses 'true'.",
    ),
    TopicConfig(
        "retention.bytes", _LONG, "-1", _log("retention.bytes"), None,
        "Bytes that a partition keeps with cleanup.policy 'delete'; -1: no limit." + _NOT_YET,
    ),
    TopicConfig(
        "retention.ms", _LONG, str(7 * _DAY_MS),
        _log(
            "retention.ms", BrokerSynonym("retention.minutes", _MINUTES),
            BrokerSynonym("retention.hours", _HOURS),
        ),
        at_least(-1),
        "Milliseconds for which a partition keeps records with cleanup.policy 'delete'; -1: no "
        "limit." + _NOT_YET,
    ),
    TopicConfig(
        "segment.bytes", _INT, str(1024**3), _log("segment.bytes"), between(1024**2, INT_MAX),
        "Bytes after which a compacted partition starts a new segment, at most 16 MiB; the "
        "newest segment is not compacted. Has no effect without 'compact' in cleanup.policy.",
    ),
    TopicConfig(
        "segment.index.bytes", _INT, str(10 * 1024**2), _log("index.size.max.bytes"), at_least(4),
        "Size of a segment's index." + _NO_EFFECT,
    ),
    TopicConfig(
        "segment.jitter.ms", _LONG, "0",
        _log("roll.jitter.ms", BrokerSynonym("roll.jitter.hours", _HOURS)), at_least(0),
        "Random part that is subtracted from segment.ms." + _NO_EFFECT,
    ),
    TopicConfig(
        "segment.ms", _LONG, str(7 * _DAY_MS), _log("roll.ms", BrokerSynonym("roll.hours", _HOURS)),
        at_least(1),
        "Milliseconds, by the records' timestamps, after which a compacted partition starts a new "
        "segment. Has no effect without 'compact' in cleanup.policy.",
    ),
    TopicConfig(
        "unclean.leader.election.enable", _BOOLEAN, "false",
        _same("unclean.leader.election.enable"), None,
        "Let a replica that lags behind become leader." + _NO_EFFECT,
    ),
)  # fmt: skip

#: All topic configs by name, in the order of their names.
TOPIC_CONFIGS: Final[Mapping[str, TopicConfig]] = {row.name: row for row in _ROWS}

"""Validation of CreateTopics requests: pure decisions, nothing is stored or sent here.

The rules and their order are those of Kafka's controller (ReplicationControlManager.createTopic,
ControllerApis.createTopics), with one addition: colliding names within one request are rejected.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from common.cluster.view import ClusterView
from common.config.topic_configs import check, check_together, normalised
from common.config.topic_names import can_collide, collision_key, invalid_name_reason, is_internal
from common.ports.metadata import NewTopic, Topic, TopicRefusal, TopicResult
from metadata_svc.topics.placement import place

#: Partitions that one request may create; MAX_PARTITIONS_PER_BATCH of Kafka's controller.
PARTITIONS_PER_REQUEST_MAX: Final = 10_000

#: Kafka's own metadata log. ringlog has none, and no topic may use its name.
_FORBIDDEN_TOPIC = "__cluster_metadata"

_DEFAULT = -1
_BASE64URL_DASH = 62


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values that -1 stands for: num.partitions and default.replication.factor."""

    partition_count: int = 1
    replication_factor: int = 1


class _Refused(Exception):
    """Raised when a topic fails validation."""

    def __init__(self, refusal: TopicRefusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.message = message


class Creation:
    """Validation of one CreateTopics request against the current cluster view."""

    def __init__(
        self,
        view: ClusterView,
        defaults: Defaults,
        *,
        owners: Collection[str],
        loads: Mapping[str, int],
        live_gateways: Collection[int],
    ) -> None:
        """`owners` may own new partitions; `loads` is the partition count of each member."""
        self._view = view
        self._defaults = defaults
        self._owners = owners
        self._loads = loads
        self._live_gateways = live_gateways
        self._partitions_left = PARTITIONS_PER_REQUEST_MAX
        self._names_by_collision_key: dict[str, str] = {}
        # Topic id and partition count of each accepted topic: all are placed together at the end.
        self._sizes: list[tuple[bytes, int]] = []

    def decide(self, requested: Sequence[NewTopic]) -> list[TopicResult]:
        """Returns a result for each topic, in order: the `topic` to create, or a refusal."""
        if any(can_collide(topic.name) for topic in requested):
            names = [topic.name for topic in self._view.topics]
            self._names_by_collision_key = {collision_key(name): name for name in names}
        counts = Counter(topic.name for topic in requested)
        results = [self._result(topic, is_repeated=counts[topic.name] > 1) for topic in requested]
        return self._placed(results)

    def _placed(self, results: list[TopicResult]) -> list[TopicResult]:
        if not self._sizes:
            return results
        placements = iter(place(self._sizes, self._owners, self._loads))
        return [
            result
            if result.topic is None
            else replace(result, topic=replace(result.topic, partitions=next(placements)))
            for result in results
        ]

    def _result(self, requested: NewTopic, *, is_repeated: bool) -> TopicResult:
        try:
            if is_repeated:
                raise _Refused(TopicRefusal.INVALID_REQUEST, "Duplicate topic name.")
            topic = self._topic(requested)
        except _Refused as error:
            return TopicResult(requested.name, refusal=error.refusal, message=error.message)
        return TopicResult(topic.name, topic.topic_id, topic)

    def _topic(self, requested: NewTopic) -> Topic:
        self._check_name(requested.name)
        configs = self._checked_configs(requested.configs)
        if requested.assignments:
            partition_count = self._assigned_partition_count(requested)
        else:
            self._check_replication_factor(requested.replication_factor)
            partition_count = self._partition_count(requested.partition_count)
        if partition_count > self._partitions_left:
            raise _Refused(
                TopicRefusal.INVALID_PARTITIONS,
                f"One request can create at most {PARTITIONS_PER_REQUEST_MAX} partitions.",
            )
        if not self._owners:
            raise _Refused(TopicRefusal.NO_OWNER, "No partition service is running.")
        self._partitions_left -= partition_count
        name = requested.name
        self._names_by_collision_key[collision_key(name)] = name
        topic = Topic(_new_topic_id(), name, (), configs, is_internal(name))
        self._sizes.append((topic.topic_id, partition_count))
        return topic

    def _check_name(self, name: str) -> None:
        if name == _FORBIDDEN_TOPIC:
            raise _Refused(
                TopicRefusal.INVALID_REQUEST, f"Creation of internal topic {name} is prohibited."
            )
        if (reason := invalid_name_reason(name)) is not None:
            raise _Refused(TopicRefusal.INVALID_TOPIC_NAME, reason)
        if self._view.topic(name) is not None:
            raise _Refused(TopicRefusal.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        other = self._names_by_collision_key.get(collision_key(name))
        if other is not None:
            raise _Refused(
                TopicRefusal.INVALID_TOPIC_NAME,
                f"Topic '{name}' collides with existing topic: {other}",
            )

    def _checked_configs(self, requested: Mapping[str, str | None]) -> dict[str, str]:
        configs: dict[str, str] = {}
        for name, value in requested.items():
            problem = check(name, value)
            if problem is not None or value is None:
                raise _Refused(TopicRefusal.INVALID_CONFIG, problem or f"No value for {name}")
            configs[name] = normalised(name, value)
        problem = check_together(configs, self._view.broker_configs)
        if problem is not None:
            raise _Refused(TopicRefusal.INVALID_CONFIG, problem)
        return configs

    def _partition_count(self, requested: int) -> int:
        if requested == 0 or requested < _DEFAULT:
            raise _Refused(
                TopicRefusal.INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            )
        return self._defaults.partition_count if requested == _DEFAULT else requested

    def _check_replication_factor(self, requested: int) -> None:
        """Applies Kafka's limit for compatibility, although ringlog always keeps one copy."""
        if requested == 0 or requested < _DEFAULT:
            raise _Refused(
                TopicRefusal.INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            )
        factor = self._defaults.replication_factor if requested == _DEFAULT else requested
        gateways = len(self._live_gateways)
        if factor > max(1, gateways):
            raise _Refused(
                TopicRefusal.INVALID_REPLICATION_FACTOR,
                f"Unable to replicate the partition {factor} time(s): only {gateways} broker(s) "
                "are registered.",
            )

    def _assigned_partition_count(self, requested: NewTopic) -> int:
        """Checks a manual assignment as Kafka does; the brokers in it do not affect placement."""
        if requested.replication_factor != _DEFAULT or requested.partition_count != _DEFAULT:
            raise _Refused(
                TopicRefusal.INVALID_REQUEST,
                "A manual partition assignment was specified, but the replication factor or the "
                "number of partitions was not set to -1.",
            )
        problem = self._assignment_problem(requested.assignments)
        if problem is not None:
            raise _Refused(TopicRefusal.INVALID_REPLICA_ASSIGNMENT, problem)
        return len(requested.assignments)

    def _assignment_problem(self, assignments: Mapping[int, Sequence[int]]) -> str | None:
        if sorted(assignments) != list(range(len(assignments))):
            return "partitions should be a consecutive 0-based integer sequence"
        first = assignments[0]
        for partition, nodes in assignments.items():
            unknown = set(nodes).difference(self._live_gateways)
            if not nodes or len(set(nodes)) != len(nodes):
                return f"Partition {partition} must name at least one broker, and none twice."
            if unknown:
                return f"Partition {partition} names broker {min(unknown)}, which is not registered"
            if len(nodes) != len(first):
                return "All partitions must have the same number of replicas."
        return None


def _new_topic_id() -> bytes:
    """Returns 16 random bytes whose base64url text does not begin with '-', as Uuid.randomUuid.

    Command line tools would parse a leading '-' as an option.
    """
    while (topic_id := uuid.uuid4().bytes)[0] >> 2 == _BASE64URL_DASH:
        pass
    return topic_id

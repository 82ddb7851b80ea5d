"""Which topics may be made: pure decisions, nothing is stored or told here.

The rules and their order are those of Kafka's controller (ReplicationControlManager.createTopic,
ControllerApis.createTopics). One differs: two names of one request that collide are refused too.
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

#: Partitions that one request may make; as MAX_PARTITIONS_PER_BATCH of Kafka's controller.
PARTITIONS_PER_REQUEST_MAX: Final = 10_000

#: Kafka's own log of metadata. ringlog has none, and lets nobody pretend.
_FORBIDDEN_TOPIC = "__cluster_metadata"

_DEFAULT = -1
_BASE64URL_DASH = 62


@dataclass(frozen=True, slots=True)
class Defaults:
    """What -1 stands for: num.partitions and default.replication.factor."""

    partition_count: int = 1
    replication_factor: int = 1


class _Refused(Exception):
    """Ends the checking of one topic."""

    def __init__(self, refusal: TopicRefusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.message = message


class Creation:
    """The checking of one CreateTopics request against the cluster as it is now."""

    def __init__(
        self,
        view: ClusterView,
        defaults: Defaults,
        *,
        owners: Collection[str],
        loads: Mapping[str, int],
        live_gateways: Collection[int],
    ) -> None:
        """`owners` may own new partitions, `loads` is how many each member owns now."""
        self._view = view
        self._defaults = defaults
        self._owners = owners
        self._loads = loads
        self._live_gateways = live_gateways
        self._partitions_left = PARTITIONS_PER_REQUEST_MAX
        self._names_by_collision_key: dict[str, str] = {}
        # Of accepted topics: placed together, at the end.
        self._sizes: list[tuple[bytes, int]] = []

    def decide(self, asked: Sequence[NewTopic]) -> list[TopicResult]:
        """A result for each topic, in order: with `topic` as it is to be made, or a refusal."""
        if any(can_collide(topic.name) for topic in asked):
            topics = self._view.topics
            self._names_by_collision_key = {collision_key(one.name): one.name for one in topics}
        times = Counter(topic.name for topic in asked)
        results = [self._result(topic, is_repeated=times[topic.name] > 1) for topic in asked]
        return self._placed(results)

    def _placed(self, results: list[TopicResult]) -> list[TopicResult]:
        if not self._sizes:
            return results
        placements = iter(place(self._sizes, self._owners, self._loads))
        return [
            one
            if one.topic is None
            else replace(one, topic=replace(one.topic, partitions=next(placements)))
            for one in results
        ]

    def _result(self, asked: NewTopic, *, is_repeated: bool) -> TopicResult:
        try:
            if is_repeated:
                raise _Refused(TopicRefusal.INVALID_REQUEST, "Duplicate topic name.")
            topic = self._topic(asked)
        except _Refused as no:
            return TopicResult(asked.name, refusal=no.refusal, message=no.message)
        return TopicResult(topic.name, topic.topic_id, topic)

    def _topic(self, asked: NewTopic) -> Topic:
        self._check_name(asked.name)
        configs = self._checked_configs(asked.configs)
        if asked.assignments:
            partition_count = self._assigned_partition_count(asked)
        else:
            self._check_replication_factor(asked.replication_factor)
            partition_count = self._partition_count(asked.partition_count)
        if partition_count > self._partitions_left:
            raise _Refused(
                TopicRefusal.INVALID_PARTITIONS,
                f"One request can create at most {PARTITIONS_PER_REQUEST_MAX} partitions.",
            )
        if not self._owners:
            raise _Refused(TopicRefusal.NO_OWNER, "No partition service is running.")
        self._partitions_left -= partition_count
        self._names_by_collision_key[collision_key(asked.name)] = asked.name
        topic = Topic(_new_topic_id(), asked.name, (), configs, is_internal(asked.name))
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

    def _checked_configs(self, asked: Mapping[str, str | None]) -> dict[str, str]:
        configs: dict[str, str] = {}
        for name, value in asked.items():
            problem = check(name, value)
            if problem is not None or value is None:
                raise _Refused(TopicRefusal.INVALID_CONFIG, problem or f"No value for {name}")
            configs[name] = normalised(name, value)
        problem = check_together(configs, self._view.broker_configs)
        if problem is not None:
            raise _Refused(TopicRefusal.INVALID_CONFIG, problem)
        return configs

    def _partition_count(self, asked: int) -> int:
        if asked == 0 or asked < _DEFAULT:
            raise _Refused(
                TopicRefusal.INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            )
        return self._defaults.partition_count if asked == _DEFAULT else asked

    def _check_replication_factor(self, asked: int) -> None:
        """Kafka's limit holds, so that what works here works there; copies there is one of."""
        if asked == 0 or asked < _DEFAULT:
            raise _Refused(
                TopicRefusal.INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            )
        factor = self._defaults.replication_factor if asked == _DEFAULT else asked
        gateways = len(self._live_gateways)
        if factor > max(1, gateways):
            raise _Refused(
                TopicRefusal.INVALID_REPLICATION_FACTOR,
                f"Unable to replicate the partition {factor} time(s): only {gateways} broker(s) "
                "are registered.",
            )

    def _assigned_partition_count(self, asked: NewTopic) -> int:
        """Checks an assignment as Kafka does. Which gateways it names makes no mutation."""
        if asked.replication_factor != _DEFAULT or asked.partition_count != _DEFAULT:
            raise _Refused(
                TopicRefusal.INVALID_REQUEST,
                "A manual partition assignment was specified, but the replication factor or the "
                "number of partitions was not set to -1.",
            )
        problem = self._assignment_problem(asked.assignments)
        if problem is not None:
            raise _Refused(TopicRefusal.INVALID_REPLICA_ASSIGNMENT, problem)
        return len(asked.assignments)

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
    """16 random bytes, never one whose text begins with '-' (as Uuid.randomUuid): tools choke."""
    while (topic_id := uuid.uuid4().bytes)[0] >> 2 == _BASE64URL_DASH:
        pass
    return topic_id

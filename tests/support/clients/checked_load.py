"""Steady load from real clients, and a check at its end that no record was affected.

Idempotent producers (acks=all) and followers of confluent-kafka in threads of their own. They know
only the bootstrap servers of the cluster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.clients.checker import Evidence, problems
from tests.support.clients.following_consumer import FollowingConsumer, read_log
from tests.support.clients.numbering_producer import NumberingProducer
from tests.support.waiting import eventually

#: Limit of each wait; nothing depends on its value.
WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of a load. `problems`: lost, duplicate, reordered and refused records.

    `noticed`: errors that clients reported to the application and recovered from, for instance a
    broker that was unavailable.
    """

    problems: Sequence[str]
    noticed: Sequence[str]
    acknowledged: int
    stored: int

    def assert_clean(self, *, unnoticed: bool = False) -> None:
        """Fails if there are problems; with `unnoticed` also if a client reported any."""
        assert not self.problems, "\n".join(self.problems)
        assert self.acknowledged, "no record was acknowledged: the test shows nothing"
        assert not (unnoticed and self.noticed), "\n".join(self.noticed)


class CheckedLoad:
    """Producers and followers on every partition of one topic. Use it in a `with`, then `finish`.

    The end of the `with` stops all threads; only `finish` returns a verdict.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        *,
        partitions: int = 4,
        producers: int = 2,
        followers: int = 1,
        pause_s: float = 0.005,
    ) -> None:
        """Creates the topic if it does not exist.

        Args:
            bootstrap: one or more host:port, comma-separated.
            topic: must have no other producers.
            partitions: number of partitions of the topic.
            producers: each sends to every partition, two keys for each.
            followers: each reads every partition from the beginning.
            pause_s: pause of each producer after a round of one record for each key.
        """
        self.bootstrap, self.topic, self.partitions = bootstrap, topic, partitions
        create_topic(bootstrap, topic, partitions=partitions)
        self.producers = [
            NumberingProducer(
                bootstrap, topic, name=f"producer-{n}", partitions=partitions, pause_s=pause_s
            )
            for n in range(producers)
        ]
        self.followers = [
            FollowingConsumer(bootstrap, topic, name=f"follower-{n}", partitions=partitions)
            for n in range(followers)
        ]

    def __enter__(self) -> Self:
        for client in (*self.followers, *self.producers):
            client.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for client in (*self.producers, *self.followers):
            client.stop()

    def wait_for_acknowledged(self, count: int, *, partitions: Sequence[int] = ()) -> None:
        """Waits for `count` more records of each producer in `partitions` (default: all)."""
        chosen = partitions or range(self.partitions)
        targets = [{n: producer.counts[n] + count for n in chosen} for producer in self.producers]

        def are_acknowledged() -> bool:
            self._assert_alive()
            return all(
                producer.counts[n] >= target
                for producer, by_partition in zip(self.producers, targets, strict=True)
                for n, target in by_partition.items()
            )

        eventually(are_acknowledged, within_s=WITHIN_S, what=f"{count} more records acknowledged")

    def finish(self) -> Verdict:
        """Stops the load, waits for every response, and reads everything."""
        for producer in self.producers:
            producer.finish(within_s=WITHIN_S)
        bounds, log = read_log(self.bootstrap, self.topic, self.partitions, within_s=WITHIN_S)
        ends = {partition: end for partition, (_, end) in bounds.items()}
        for follower in self.followers:
            follower.finish(ends, within_s=WITHIN_S)
        evidence = Evidence(
            acknowledged=[
                record for producer in self.producers for record in producer.acknowledged
            ],
            log=log,
            bounds=bounds,
            followed={follower.name: follower.read for follower in self.followers},
            unknown=frozenset(value for producer in self.producers for value in producer.unknown),
        )
        clients = (*self.producers, *self.followers)
        return Verdict(
            [*(message for client in clients for message in client.failures), *problems(evidence)],
            [message for client in clients for message in client.noticed],
            acknowledged=len(evidence.acknowledged),
            stored=len(log),
        )

    def _assert_alive(self) -> None:
        failures = [
            message for client in (*self.producers, *self.followers) for message in client.failures
        ]
        assert not failures, "\n".join(failures)


def create_topic(bootstrap: str, topic: str, *, partitions: int) -> None:
    """Creates a topic through a real admin client, unless it exists."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    new_topic = NewTopic(topic, num_partitions=partitions, replication_factor=1)
    (future,) = admin.create_topics([new_topic], operation_timeout=30).values()
    try:
        future.result(timeout=WITHIN_S)
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            raise

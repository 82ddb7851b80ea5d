"""Steady load from real clients, and a check at its end that no record was affected.

Idempotent producers (acks=all) and followers of confluent-kafka in threads of their own. Knows the
cluster by its bootstrap servers only, not how it runs or what is done to it.
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

#: Bounds on what must happen, never measures of it.
WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problems`: what was lost, doubled, disordered or refused; none in a log that is well.

    `noticed` are messages of clients to their application, for instance that a broker was away;
    the clients recovered by themselves.
    """

    problems: Sequence[str]
    noticed: Sequence[str]
    acknowledged: int
    stored: int

    def assert_clean(self, *, unnoticed: bool = False) -> None:
        """Fails if there are problems; with `unnoticed` also if a client reported any."""
        assert not self.problems, "\n".join(self.problems)
        assert self.acknowledged, "no load: nothing is shown"
        assert not (unnoticed and self.noticed), "\n".join(self.noticed)


class CheckedLoad:
    """Producers and followers on every partition of one topic. Use it in a `with`, then `finish`.

    Leaving the `with` ends all threads; only `finish` gives a verdict.
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
        """Makes the topic where it is not there.

        Args:
            bootstrap: one or more host:port, comma-separated.
            topic: no one else may write to it.
            partitions: of the topic.
            producers: each sends to every partition, two keys for each.
            followers: each reads every partition from the beginning.
            pause_s: of each producer after a round of one record for each key.
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
        for one in (*self.followers, *self.producers):
            one.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for one in (*self.producers, *self.followers):
            one.stop()

    def wait_for_acknowledged(self, count: int, *, partitions: Sequence[int] = ()) -> None:
        """Waits for `count` more records of each producer in `partitions` (default: all)."""
        wanted = partitions or range(self.partitions)
        aims = [{n: producer.counts[n] + count for n in wanted} for producer in self.producers]

        def is_there() -> bool:
            self._assert_alive()
            return all(
                one.counts[n] >= aim
                for one, aim_of in zip(self.producers, aims, strict=True)
                for n, aim in aim_of.items()
            )

        eventually(is_there, within_s=WITHIN_S, what=f"{count} more records acknowledged")

    def finish(self) -> Verdict:
        """Stops the load, waits for every response, and reads everything."""
        for producer in self.producers:
            producer.finish(within_s=WITHIN_S)
        bounds, log = read_log(self.bootstrap, self.topic, self.partitions, within_s=WITHIN_S)
        ends = {partition: end for partition, (_, end) in bounds.items()}
        for follower in self.followers:
            follower.finish(ends, within_s=WITHIN_S)
        evidence = Evidence(
            acknowledged=[one for each in self.producers for one in each.acknowledged],
            log=log,
            bounds=bounds,
            followed={one.name: one.read for one in self.followers},
            unknown=frozenset(value for one in self.producers for value in one.unknown),
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
            message for one in (*self.producers, *self.followers) for message in one.failures
        ]
        assert not failures, "\n".join(failures)


def create_topic(bootstrap: str, topic: str, *, partitions: int) -> None:
    """Creates a topic through a real admin client. An existing topic is left alone."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    asked = NewTopic(topic, num_partitions=partitions, replication_factor=1)
    (future,) = admin.create_topics([asked], operation_timeout=30).values()
    try:
        future.result(timeout=WITHIN_S)
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            raise

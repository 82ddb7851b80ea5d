"""Goals beside Apache Kafka at equal durability: ratios in the same rounds, by group of cases."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmarks.report import results
from benchmarks.report.goals import is_latency, is_reached
from benchmarks.report.results import KAFKAS, STANDALONE, THREE_PROCESSES, Key, Results
from benchmarks.throughput import latency, throughput
from benchmarks.throughput.throughput import ACKS_ALL, ACKS_LEADER


class KafkaGoal(NamedTuple):
    """`metric` of each case shall be at least `target` times Kafka's; at most, for a latency."""

    name: str
    subject: str
    metric: str
    target: float
    cases: tuple[str, ...]

    def outcomes(self, found: Results) -> list["Outcome"]:
        """One for each case that was measured on both."""
        return [
            Outcome(Key(case, self.subject, self.metric), kafka, ratio, self.target)
            for case in self.cases
            if (kafka := kafka_of(found, case, self.metric))
            and (ratio := found.ratio(Key(case, self.subject, self.metric), kafka)) is not None
        ]


class Outcome(NamedTuple):
    """One case of a goal. `kafka` is the subject that it was compared with."""

    measured: Key
    kafka: str
    ratio: float
    target: float

    @property
    def is_reached(self) -> bool:
        return is_reached(self.ratio, self.target, self.measured.metric)

    @property
    def score(self) -> float:
        """Part of the goal that is reached; 1 or more if it is."""
        part = self.ratio / self.target
        return 1 / part if is_latency(self.measured.metric) else part


def kafka_of(found: Results, case: str, metric: str) -> str | None:
    """The Kafka that ran `case`: that of equal durability."""
    measured = (kafka for kafka in KAFKAS if found.median(case, kafka, metric) is not None)
    return next(measured, None)


def _produce_goals(
    subject: str, name: str, target: float, *, records_min: int
) -> Iterator[KafkaGoal]:
    for acks in (ACKS_LEADER, ACKS_ALL):
        cases = tuple(
            case.with_acks(acks) for case in throughput.PRODUCE_CASES if case.records >= records_min
        )
        words = "all" if acks == ACKS_ALL else acks
        yield KafkaGoal(f"{name}, acks={words}", subject, results.REQUESTS, target, cases)


_LATENCIES: Final = tuple(
    case.name(what) for case in latency.CASES for what in (latency.PRODUCED, latency.CONSUMED)
)
KAFKA_GOALS: Final = (
    *_produce_goals(STANDALONE, "produce", 1.0, records_min=1),
    KafkaGoal("latency", STANDALONE, results.P50, 1.0, _LATENCIES),
    KafkaGoal("latency", STANDALONE, results.P99, 1.0, _LATENCIES),
    KafkaGoal(
        "fetch",
        STANDALONE,
        results.MEGABYTES,
        0.7,
        tuple(case.name for case in throughput.FETCH_CASES),
    ),
    *_produce_goals(THREE_PROCESSES, "produce in batches", 0.6, records_min=2),
)

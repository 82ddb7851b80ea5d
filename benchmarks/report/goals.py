"""Goals for ringlog, and the raw limit that each number is compared with."""

from typing import Final, NamedTuple

from benchmarks.limits import client_alone, grpc_hop, machine_limits
from benchmarks.report import results
from benchmarks.report.markdown import number
from benchmarks.report.results import STANDALONE, THREE_PROCESSES, Key
from benchmarks.throughput import latency, throughput
from benchmarks.throughput.throughput import ACKS_ALL, ACKS_LEADER

#: Baseline of each deployment, and the ratio to it that is the goal.
PEERS: Final = {
    results.STANDALONE: results.BASELINE,
    results.THREE_PROCESSES: results.BASELINE_HOP,
}
PEER_PART: Final = 2 / 3


class Goal(NamedTuple):
    """`measured` shall be at least `target`; at most, where it is a latency.

    Most targets are two thirds of what a baseline gave on another machine; what the baseline gives
    on this one is measured in the same run.
    """

    measured: Key
    target: float
    #: The same with every batch synced to disk before its response; shown beside it.
    synced: Key | None = None

    @property
    def peer(self) -> str:
        """Baseline subject: the same design without features."""
        return PEERS[self.measured.subject]

    def measures(self, case: str) -> bool:
        return case in (self.measured.case, self.synced.case if self.synced else None)

    @property
    def is_upper_limit(self) -> bool:
        return is_latency(self.measured.metric)

    def is_reached(self, value: float) -> bool:
        return is_reached(value, self.target, self.measured.metric)


def is_latency(metric: str) -> bool:
    """True if less is better."""
    return metric in {results.P50, results.P99}


def is_reached(value: float, target: float, metric: str) -> bool:
    return value <= target if is_latency(metric) else value >= target


def target_in_words(target: float, metric: str) -> str:
    return f"at most {number(target)}" if is_latency(metric) else number(target)


def _produce_goal(subject: str, case: throughput.ProduceCase, metric: str, target: float) -> Goal:
    leader, synced = (Key(case.with_acks(a), subject, metric) for a in (ACKS_LEADER, ACKS_ALL))
    return Goal(leader, target, synced)


def _goals(
    subject: str, *, single: float, hundred: float, thousand: float, fetch: float
) -> list[Goal]:
    fetched = Key(throughput.FETCH_LARGE_BATCHES.name, subject, results.MEGABYTES)
    return [
        _produce_goal(subject, throughput.SINGLE_PIPELINED, results.REQUESTS, single),
        _produce_goal(subject, throughput.HUNDRED_PIPELINED, results.RECORDS, hundred),
        _produce_goal(subject, throughput.THOUSAND_PIPELINED, results.MEGABYTES, thousand),
        Goal(fetched, fetch),
    ]


def _latency_goal(subject: str, target: float) -> Goal:
    leader, synced = (
        Key(latency.LatencyCase(4, acks).name(latency.CONSUMED), subject, results.P99)
        for acks in (ACKS_LEADER, ACKS_ALL)
    )
    return Goal(leader, target, synced)


SEQUENTIAL_LATENCY = Key(
    latency.LatencyCase(1, ACKS_LEADER).name(latency.PRODUCED), THREE_PROCESSES, results.P50
)
GOALS = (
    *_goals(THREE_PROCESSES, single=15_000, hundred=500_000, thousand=180, fetch=400),
    _latency_goal(THREE_PROCESSES, 6),
    Goal(SEQUENTIAL_LATENCY, 1.2),
    *_goals(STANDALONE, single=35_000, hundred=1_200_000, thousand=300, fetch=900),
)


class Comparison(NamedTuple):
    """A number of the broker over a limit of the machine in the same unit."""

    broker_case: str
    limit_case: str
    metric: str


def _over(broker_case: str, metric: str, *limit_cases: str) -> list[Comparison]:
    return [Comparison(broker_case, limit, metric) for limit in limit_cases]


COMPARISONS = (
    *_over(
        throughput.SINGLE_SEQUENTIAL.with_acks(ACKS_LEADER),
        results.REQUESTS,
        machine_limits.TCP_PING_PONG,
        grpc_hop.UNARY_SMALL,
    ),
    *_over(
        throughput.SINGLE_SEQUENTIAL.with_acks(ACKS_ALL),
        results.REQUESTS,
        machine_limits.disk_sync(1 << 10),
    ),
    *_over(
        throughput.SINGLE_PIPELINED.with_acks(ACKS_LEADER),
        results.REQUESTS,
        client_alone.name(throughput.SINGLE_PIPELINED),
        grpc_hop.STREAM_ONE,
        grpc_hop.STREAM_COALESCED,
        machine_limits.rocksdb_put(1 << 10),
    ),
    *_over(
        throughput.HUNDRED_PIPELINED.with_acks(ACKS_LEADER),
        results.MEGABYTES,
        machine_limits.rocksdb_put(16 << 10),
    ),
    *_over(
        throughput.HUNDRED_PIPELINED.with_acks(ACKS_ALL),
        results.MEGABYTES,
        machine_limits.rocksdb_group(16 << 10),
    ),
    *_over(
        throughput.THOUSAND_PIPELINED.with_acks(ACKS_LEADER),
        results.MEGABYTES,
        machine_limits.rocksdb_put(128 << 10),
        grpc_hop.STREAM_LARGE,
    ),
    *_over(
        throughput.THOUSAND_PIPELINED.with_acks(ACKS_ALL),
        results.MEGABYTES,
        machine_limits.rocksdb_group(128 << 10),
        machine_limits.disk_sync(1 << 20),
    ),
    *_over(
        throughput.FETCH_LARGE_BATCHES.name,
        results.MEGABYTES,
        machine_limits.TCP_STREAM,
        grpc_hop.UNARY_FETCH,
    ),
)

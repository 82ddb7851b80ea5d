"""Measured values: by case, subject and metric, from several rounds. No printing."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

#: Who was measured.
STANDALONE = "standalone"
THREE_PROCESSES = "three processes"
BASELINE = "baseline, in process"
BASELINE_HOP = "baseline, gRPC"
RAW = "raw"
#: Apache Kafka, which acknowledges from the page cache, and with `log.flush.interval.messages=1`,
#: which syncs first. A case runs on one of them.
KAFKA = "Kafka"
KAFKA_FLUSH = "Kafka, flush=1"
KAFKAS = (KAFKA, KAFKA_FLUSH)

#: What was measured, with its unit.
REQUESTS = "requests/s"
RECORDS = "records/s"
MEGABYTES = "MB/s"
CPU = "broker CPU us/request"
CLIENT_CPU = "client CPU us/request"
P50 = "p50 ms"
P99 = "p99 ms"
SECONDS = "s"
MEBIBYTES = "MiB"


class Key(NamedTuple):
    """Key of one value: the `case` measured, the `subject` it ran on, the `metric` counted."""

    case: str
    subject: str
    metric: str


class Results:
    """Collects values; a cell's value is the median of its rounds."""

    def __init__(self) -> None:
        self._values: defaultdict[Key, list[float]] = defaultdict(list)

    def add(self, case: str, subject: str, metrics: Mapping[str, float]) -> None:
        for metric, value in metrics.items():
            self._values[Key(case, subject, metric)].append(value)

    def median(self, case: str, subject: str, metric: str) -> float | None:
        """None where nothing was measured."""
        values = self._values.get(Key(case, subject, metric))
        return statistics.median(values) if values else None

    def has_subject(self, *subjects: str) -> bool:
        """True if anything was measured of one of them."""
        return any(key.subject in subjects for key in self._values)

    def spread(self, case: str, subject: str, metric: str) -> tuple[float, float] | None:
        """Smallest and largest value of the rounds."""
        values = self._values.get(Key(case, subject, metric))
        return (min(values), max(values)) if values else None

    def ratio(self, measured: Key, peer: str) -> float | None:
        """Ratio of a value to the same of `peer`: the median of the ratios of each round.

        So that a machine that is fast in one round and slow in another does not count.
        """
        ours = self._values.get(measured, [])
        theirs = self._values.get(measured._replace(subject=peer), [])
        ratios = [one / other for one, other in zip(ours, theirs, strict=False)]
        return statistics.median(ratios) if ratios else None

    def cases(self, metric: str) -> list[str]:
        """Cases that have this metric, in the order in which they were first measured."""
        return list(dict.fromkeys(key.case for key in self._values if key.metric == metric))

    def metrics(self, case: str, subject: str) -> list[str]:
        """Metrics of this cell, in the order in which they were first measured."""
        return [key.metric for key in self._values if (key.case, key.subject) == (case, subject)]

    def as_rows(self) -> list[dict[str, object]]:
        """Every cell with all its values, for a JSON file."""
        return [{**key._asdict(), "values": values} for key, values in self._values.items()]

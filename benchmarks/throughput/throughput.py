"""Produce and Fetch as fast as a broker takes them, with what it costs the broker in CPU time."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.load import client, requests
from benchmarks.load.client import Load
from benchmarks.load.fetch import FetchLoad
from benchmarks.load.produce import ProduceFrames, ProduceLoad, StoredBatches
from benchmarks.report import results

PARTITION_COUNT = 4
ACKS_ALL, ACKS_LEADER = -1, 1
EVERY_ACKS = (ACKS_LEADER, ACKS_ALL)

#: CPU seconds used so far by the broker's processes, by process name.
CpuSeconds = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations of a measurement in seconds; the warm-up is not counted."""

    warm_up: float
    measure: float


@dataclass(frozen=True, slots=True)
class Target:
    """A broker to load: its address, and the CPU time that it has used.

    `cuts_batches` is true if it may cut the last batch of a partition in a Fetch response.
    """

    address: tuple[str, int]
    cpu_seconds: CpuSeconds
    cuts_batches: bool = False


class ProduceCase(NamedTuple):
    """One way of producing. With several connections each has `in_flight` requests of its own."""

    records: int
    value_bytes: int
    in_flight: int
    connections: int = 1

    @property
    def name(self) -> str:
        size = f"{self.value_bytes // 1000} KB" if self.value_bytes >= 1000 else "100 B"
        if self.connections > 1:
            how = f"{self.connections} connections"
        else:
            how = f"{self.in_flight} in flight" if self.in_flight > 1 else "sequential"
        return f"{self.records} x {size}, {how}"

    def with_acks(self, acks: int) -> str:
        """Name of the case in the results."""
        return f"{self.name}, acks={'all' if acks == ACKS_ALL else acks}"


SINGLE_PIPELINED = ProduceCase(1, 100, in_flight=32)
HUNDRED_PIPELINED = ProduceCase(100, 100, in_flight=8)
THOUSAND_PIPELINED = ProduceCase(1000, 100, in_flight=8)
SINGLE_SEQUENTIAL = ProduceCase(1, 100, in_flight=1)
SINGLE_CONNECTIONS = ProduceCase(1, 100, in_flight=1, connections=32)
PRODUCE_CASES = (
    SINGLE_SEQUENTIAL,
    SINGLE_PIPELINED,
    SINGLE_CONNECTIONS,
    ProduceCase(1, 1000, in_flight=32),
    ProduceCase(100, 100, in_flight=1),
    HUNDRED_PIPELINED,
    ProduceCase(100, 1000, in_flight=8),
    THOUSAND_PIPELINED,
)


async def produce(
    target: Target, topic: str, case: ProduceCase, *, acks: int, pace: Pace
) -> dict[str, float]:
    """Loads an empty topic of four partitions; every acknowledged offset is checked afterwards."""
    batch = requests.record_batch(_value(case.value_bytes), case.records)
    stored = StoredBatches(partition_count=PARTITION_COUNT, records_per_batch=case.records)
    loads = [
        ProduceLoad(
            ProduceFrames(
                topic,
                batch,
                acks=acks,
                partitions=_partitions(connection, case),
                count=max(case.in_flight, PARTITION_COUNT),
            ),
            stored,
            in_flight=case.in_flight,
        )
        for connection in range(case.connections)
    ]
    metrics = await _measure(target, loads, pace)
    stored.check()
    records = metrics[results.REQUESTS] * case.records
    return metrics | {
        results.RECORDS: records,
        results.MEGABYTES: records * case.value_bytes / 1e6,
    }


def _partitions(connection: int, case: ProduceCase) -> Sequence[int]:
    if case.connections > 1:
        return [connection % PARTITION_COUNT]
    return range(PARTITION_COUNT)


def _value(size: int) -> bytes:
    """Text with some variety, as a log line has; it is stored as it is, uncompressed."""
    return bytes(32 + i * 7919 % 95 for i in range(size))


class FetchCase(NamedTuple):
    """Reading `partitions` at once, up to 1 MiB of each, batches of `records` 100-byte records."""

    partitions: int
    records: int

    @property
    def name(self) -> str:
        noun = "partition" if self.partitions == 1 else "partitions"
        return f"fetch {self.partitions} {noun}, batches of {self.records}"


FETCH_BYTES = 1 << 20
FETCH_LARGE_BATCHES = FetchCase(1, 1000)
FETCH_CASES = (
    FetchCase(1, 100),
    FetchCase(PARTITION_COUNT, 100),
    FETCH_LARGE_BATCHES,
    FetchCase(PARTITION_COUNT, 1000),
)


async def fill(target: Target, topic: str, records: int, *, partition_bytes: int) -> None:
    """Puts at least `partition_bytes` of batches into each of a topic's partitions."""
    batch = requests.record_batch(_value(100), records)
    stored = StoredBatches(partition_count=PARTITION_COUNT, records_per_batch=records)
    frames = ProduceFrames(topic, batch, acks=ACKS_LEADER, partitions=range(4), count=8)
    request_count = PARTITION_COUNT * partition_bytes // len(batch) + PARTITION_COUNT
    load = ProduceLoad(frames, stored, in_flight=8, requests_min=request_count)
    await client.start(target.address, [load])
    await load.done
    stored.check()


async def fetch(target: Target, topic: str, case: FetchCase, *, pace: Pace) -> dict[str, float]:
    """Reads a filled topic round and round; MB/s are of record batches as they are on the wire."""
    partitions = range(case.partitions)
    request = requests.FetchRequest(
        topic, partitions, partition_bytes_max=FETCH_BYTES, max_wait_ms=500
    )
    load = FetchLoad(
        request,
        response_bytes_max=(case.partitions + 1) * FETCH_BYTES,
        rewind=True,
        cuts_batches=target.cuts_batches,
    )
    return await _measure(target, [load], pace)


async def _measure(target: Target, loads: Sequence[Load], pace: Pace) -> dict[str, float]:
    await client.start(target.address, loads)
    await asyncio.sleep(pace.warm_up)
    before = _Reading.take(target, loads)
    await asyncio.sleep(pace.measure)
    after = _Reading.take(target, loads)
    await client.finish(loads)
    return after.since(before)


class _Reading(NamedTuple):
    """Everything that is counted, at one moment."""

    at: float
    completed: int
    record_bytes: int
    client_cpu: float
    broker_cpu: Mapping[str, float]

    @classmethod
    def take(cls, target: Target, loads: Sequence[Load]) -> "_Reading":
        return cls(
            time.perf_counter(),
            sum(load.completed for load in loads),
            sum(load.record_bytes for load in loads if isinstance(load, FetchLoad)),
            time.process_time(),
            target.cpu_seconds(),
        )

    def since(self, before: "_Reading") -> dict[str, float]:
        seconds = self.at - before.at
        request_count = self.completed - before.completed
        per_request = 1e6 / max(request_count, 1)
        cpu = {
            name: (self.broker_cpu[name] - before.broker_cpu[name]) * per_request
            for name in self.broker_cpu
        }
        return {
            results.REQUESTS: request_count / seconds,
            results.MEGABYTES: (self.record_bytes - before.record_bytes) / seconds / 1e6,
            results.CLIENT_CPU: (self.client_cpu - before.client_cpu) * per_request,
            results.CPU: sum(cpu.values()),
            **{f"{name} {results.CPU}": value for name, value in cpu.items()},
        }

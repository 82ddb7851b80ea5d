"""From a producer's send to a consumer's receipt, at a rate that leaves the broker idle."""

import asyncio
import statistics
import time
from typing import NamedTuple, cast

from benchmarks.load import client, requests, responses
from benchmarks.load.fetch import FetchLoad, OnRecords
from benchmarks.load.responses import WrongResponse
from benchmarks.report import results
from benchmarks.throughput.throughput import ACKS_ALL, EVERY_ACKS, PARTITION_COUNT, Target

RECORDS_PER_SECOND = 50
PRODUCED = "send to acknowledgement"
CONSUMED = "send to receipt"
_VALUE = b"x" * 100
_MAX_WAIT_MS = 500
_ANSWER_BYTES_MAX = 1 << 20


class LatencyCase(NamedTuple):
    """A consumer on `partitions`, and a producer that waits for `acks`."""

    partitions: int
    acks: int

    def name(self, what: str) -> str:
        noun = "partition" if self.partitions == 1 else "partitions"
        acks = "all" if self.acks == ACKS_ALL else self.acks
        return f"{what}, {self.partitions} {noun}, acks={acks}"


CASES = tuple(
    LatencyCase(partitions, acks) for acks in EVERY_ACKS for partitions in (1, PARTITION_COUNT)
)


class _Producer(asyncio.Protocol):
    """Sends single records, round robin over partitions, and notes when each was acknowledged."""

    def __init__(self, topic: str, case: LatencyCase, latencies: "_Latencies") -> None:
        self.sent: list[list[float]] = [[] for _ in range(case.partitions)]
        self.latencies = latencies
        self._topic = topic
        self._acks = case.acks
        self._batch = requests.record_batch(_VALUE, 1)
        self._layout = responses.produce_response(topic)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, number: int) -> None:
        partition = number % len(self.sent)
        frame = requests.produce(
            self._topic, partition, self._batch, acks=self._acks, correlation_id=number
        )
        self.sent[partition].append(time.perf_counter())
        self._transport.write(frame)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        for _, _, partition, error, base_offset in self._layout.iter_unpack(data):
            if error:
                raise WrongResponse(f"Produce returned error code {error}")
            self.latencies.add(now - self.sent[partition][base_offset])

    def close(self) -> None:
        self._transport.close()


async def measure(
    target: Target, topic: str, case: LatencyCase, *, seconds: float
) -> dict[str, dict[str, float]]:
    """Percentiles of `PRODUCED` and `CONSUMED` over the first records of an empty topic."""
    count = int(seconds * RECORDS_PER_SECOND)
    produced, consumed = _Latencies(count), _Latencies(count)
    producer = _Producer(topic, case, produced)

    def on_records(partition: int, first: int, after: int) -> None:
        now = time.perf_counter()
        for sent in producer.sent[partition][first:after]:
            consumed.add(now - sent)

    consumer = _consumer(topic, case.partitions, on_records)
    await asyncio.get_running_loop().create_connection(lambda: producer, *target.address)
    await client.start(target.address, [consumer])
    try:
        async with asyncio.timeout(seconds + client.ANSWER_SECONDS_MAX):
            await _send_evenly(producer, count)
            await produced.complete.wait()
            await consumed.complete.wait()
    finally:
        # Raises what went wrong for the consumer, which is why nothing came.
        await client.finish([consumer])
        producer.close()
    return {PRODUCED: _percentiles(produced.seconds), CONSUMED: _percentiles(consumed.seconds)}


class _Latencies:
    """Collects until `count` are there."""

    def __init__(self, count: int) -> None:
        self.seconds: list[float] = []
        self.complete = asyncio.Event()
        self._count = count

    def add(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._count:
            self.complete.set()


def _consumer(topic: str, partition_count: int, on_records: OnRecords) -> FetchLoad:
    request = requests.FetchRequest(
        topic,
        range(partition_count),
        partition_bytes_max=_ANSWER_BYTES_MAX,
        max_wait_ms=_MAX_WAIT_MS,
    )
    return FetchLoad(
        request,
        response_bytes_max=2 * _ANSWER_BYTES_MAX,
        on_records=on_records,
    )


async def _send_evenly(producer: _Producer, count: int) -> None:
    """On a fixed schedule, so that a slow response delays no later record."""
    started = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(started + number / RECORDS_PER_SECOND - time.perf_counter())
        producer.send(number)


def _percentiles(latencies: list[float]) -> dict[str, float]:
    """Median and 99th percentile in milliseconds."""
    cuts = statistics.quantiles(latencies, n=100)
    return {results.P50: statistics.median(latencies) * 1000, results.P99: cuts[98] * 1000}

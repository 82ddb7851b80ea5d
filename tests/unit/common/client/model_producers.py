"""Model of librdkafka's idempotent producer: five requests in flight, retries in sequence.

It sends over one model connection: requests arrive in the order in which they were sent, responses
in the same order, both a little later. It never raises its epoch. Instead it records each
response after which librdkafka would do so, or would report records without their offsets.
"""

import asyncio
import struct
from typing import Final

from common.ports.partitions import AppendResult, Refusal
from common.ports.unavailable import BackendUnavailable
from tests.unit.common.client.model_owners import ModelCluster

IN_FLIGHT_MAX: Final = 5
RETRIABLE: Final = (
    Refusal.NO_RESPONSE,
    Refusal.NOT_OWNER,
    Refusal.MOVING,
    Refusal.UNKNOWN_TOPIC_OR_PARTITION,
)

_BATCH: Final = struct.Struct(">23xi16xqhi4x")


def batch_of(producer_id: int, sequence: int, *, records: int = 1) -> bytes:
    """Returns a batch header (format v2) that has only the fields that identify the batch."""
    return _BATCH.pack(records - 1, producer_id, 0, sequence)


class ModelProducer:
    """Produces batches of two records to one partition until it has sent `count` of them."""

    def __init__(self, cluster: ModelCluster, producer_id: int, partition: int, count: int) -> None:
        self.id = producer_id
        self.partition = partition
        self.acknowledged: dict[int, int] = {}  # base offset by sequence
        self.violations: list[str] = []
        self._cluster = cluster
        self._to_send = [2 * n for n in range(count)]
        self._not_before: dict[int, float] = {}
        self._in_flight: set[int] = set()
        self._changed = asyncio.Event()
        self._count = count
        self._gateway = 0
        self._network: list[asyncio.Task[None]] = []
        self._connect()

    @property
    def batches(self) -> list[bytes]:
        """All batches that it produces, in order."""
        return [batch_of(self.id, 2 * n, records=2) for n in range(self._count)]

    def reconnect(self) -> None:
        """Reconnects to the next gateway, as if its own had ended.

        The old gateway may still store what it has received. Batches without a response are sent
        again, to the new one.
        """
        self._disconnect()
        self._to_send = sorted([*self._to_send, *self._in_flight])
        self._in_flight.clear()
        self._gateway = (self._gateway + 1) % len(self._cluster.gateways)
        self._connect()

    async def run(self) -> None:
        """Produces until all batches are acknowledged."""
        try:
            while len(self.acknowledged) < self._count:
                self._send()
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.01):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        finally:
            self._disconnect()

    def _connect(self) -> None:
        self._wire: asyncio.Queue[int] = asyncio.Queue()
        self._responses: asyncio.Queue[tuple[int, asyncio.Future[list[AppendResult]]]]
        self._responses = asyncio.Queue()
        self._network = [asyncio.create_task(work()) for work in (self._deliver, self._respond)]

    def _disconnect(self) -> None:
        for task in self._network:
            task.cancel()

    def _send(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._to_send and len(self._in_flight) < IN_FLIGHT_MAX:
            if self._not_before.get(self._to_send[0], 0.0) > now:
                return  # later batches do not overtake one that waits for its backoff
            self._in_flight.add(self._to_send[0])
            self._wire.put_nowait(self._to_send.pop(0))

    async def _deliver(self) -> None:
        """Delivers requests to the gateway in order."""
        while True:
            sequence = await self._wire.get()
            await self._cluster.delay()
            batch = batch_of(self.id, sequence, records=2)
            future = self._cluster.append(batch, self.partition, gateway=self._gateway)
            future.add_done_callback(_retrieve_exception)
            self._responses.put_nowait((sequence, future))

    async def _respond(self) -> None:
        """Delivers responses to the producer in the order of the requests."""
        while True:
            sequence, future = await self._responses.get()
            try:
                (result,) = await asyncio.shield(future)
            except BackendUnavailable:
                result = AppendResult(refusal=Refusal.NO_RESPONSE)
            await self._cluster.delay()
            self._on_result(sequence, result)

    def _on_result(self, sequence: int, result: AppendResult) -> None:
        self._in_flight.discard(sequence)
        self._changed.set()
        if result.refusal is None:
            self._acknowledge(sequence, result.base_offset)
            return
        if result.refusal not in RETRIABLE:
            self.violations.append(f"{result.refusal.name} for {sequence}: a new epoch")
        backoff_s = self._cluster.random.choice((0.0, 0.1, 0.3))
        self._not_before[sequence] = asyncio.get_running_loop().time() + backoff_s
        self._to_send = sorted([*self._to_send, sequence])

    def _acknowledge(self, sequence: int, base_offset: int) -> None:
        if sequence != 2 * len(self.acknowledged):
            self.violations.append(f"{sequence} is stored before an earlier one: no offsets")
        self.acknowledged[sequence] = base_offset


def _retrieve_exception(future: asyncio.Future[list[AppendResult]]) -> None:
    """Keeps asyncio from logging an exception after the producer has disconnected."""
    if not future.cancelled():
        future.exception()

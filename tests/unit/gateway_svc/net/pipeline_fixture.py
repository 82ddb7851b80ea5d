"""A pipeline whose requests finish when a test or a random generator resolves their futures."""

import asyncio
import random
from collections.abc import Awaitable

from gateway_svc.dispatch.reply import Deferred, Parts, PendingResponse, TaskResponse
from gateway_svc.net.pipeline import SMALL_BUDGET, LoopBudget, Pipeline
from gateway_svc.wire.violations import ProtocolViolation


class FakeResponse(PendingResponse):
    """Echoes its frame when `future` is done, or returns None if that begins with `silent`."""

    def __init__(
        self,
        frame: bytes,
        *,
        timeout_ms: int = 1000,
        future: asyncio.Future[None] | None = None,
    ) -> None:
        self.future = future or asyncio.get_running_loop().create_future()
        self.timeout_ms = timeout_ms
        self.frame = frame
        self.is_abandoned = False

    def abandon(self) -> None:
        self.is_abandoned = True

    def finish(self) -> Parts | None:
        self.future.result()
        return None if self.frame.startswith(b"silent") else [self.frame]

    def expire(self) -> Parts | None:
        return [b"late " + self.frame]


def exclusive(frame: bytes, gate: Awaitable[object]) -> Deferred:
    """A request that echoes its frame, in a task, when `gate` is done."""

    async def run() -> Parts | None:
        await gate
        return [frame]

    return Deferred(lambda: TaskResponse(run()))


class PipelineFixture:
    """A pipeline whose frames name the kind of their request.

    They begin with `pending`, `silent`, `shared`, `exclusive`, `deferred` or `ready`, or are `bad`.
    All that are `shared` wait for the same future.
    """

    def __init__(self, budget: LoopBudget = SMALL_BUDGET) -> None:
        self.budget = budget
        self.started: list[bytes] = []
        self.pending: dict[bytes, FakeResponse] = {}
        self.shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gates: dict[bytes, asyncio.Future[None]] = {}
        self.writes: list[list[bytes]] = []
        self.request_bytes = 0
        self.errors: list[Exception] = []
        self.pipeline = Pipeline(self.start, self, budget)

    def start(self, frame):
        self.started.append(frame)
        if frame == b"bad":
            raise ProtocolViolation("not Kafka")
        if frame.startswith((b"pending", b"silent")):
            self.pending[frame] = FakeResponse(frame)
            return self.pending[frame]
        if frame.startswith(b"shared"):
            timeout_ms = 100_000 if frame.endswith(b"patient") else 1000
            return FakeResponse(frame, timeout_ms=timeout_ms, future=self.shared)
        if frame.startswith(b"deferred"):
            return Deferred(lambda: self.pending.setdefault(frame, FakeResponse(frame)))
        if frame.startswith(b"exclusive"):
            self.gates[frame] = asyncio.get_running_loop().create_future()
            return exclusive(frame, self.gates[frame])
        return [frame]

    def send(self, parts: Parts, request_bytes: int) -> None:
        if parts:
            self.writes.append([bytes(part) for part in parts])
        self.request_bytes += request_bytes

    def fail(self, error: Exception) -> None:
        self.errors.append(error)

    @property
    def sent(self) -> list[bytes]:
        return [part for parts in self.writes for part in parts]

    async def receive(self, *frames: bytes) -> None:
        self.pipeline.accept(frames)
        self.pipeline.start()
        await settle()

    async def finish(self, *frames: bytes) -> None:
        for frame in frames:
            future = self.gates.get(frame) or self.pending[frame].future
            future.set_result(None)
        await settle()


async def settle() -> None:
    """Runs the event loop until nothing is ready."""
    for _ in range(10):
        await asyncio.sleep(0)


class RandomPipeline(PipelineFixture):
    """Applies random events of a connection to a pipeline."""

    def __init__(self, rng: random.Random, frames: list[bytes]) -> None:
        super().__init__()
        self.rng = rng
        self.unsent = list(frames)
        self.is_paused = False

    def start(self, frame):
        """Also starts frames `later`: deferred requests that start an exclusive one."""
        if not frame.startswith(b"later"):
            return super().start(frame)
        self.started.append(frame)
        gate = self.gates[frame] = asyncio.get_running_loop().create_future()
        return Deferred(lambda: exclusive(frame, gate))

    def arrive(self) -> None:
        count = self.rng.randrange(1, 4)
        self.pipeline.accept(self.unsent[:count])
        del self.unsent[:count]
        self.pipeline.start()

    def toggle_reading(self) -> None:
        self.is_paused = not self.is_paused
        (self.pipeline.pause if self.is_paused else self.pipeline.resume)()

    def finish_shared(self) -> None:
        self.shared.set_result(None)
        self.shared = asyncio.get_running_loop().create_future()

    def finish_random(self) -> None:
        waiting = self.waiting()
        if waiting:
            self.rng.choice(waiting).set_result(None)

    def waiting(self) -> list[asyncio.Future[None]]:
        unfinished = [
            *self.gates.values(),
            *(response.future for response in self.pending.values()),
        ]
        return [future for future in unfinished if not future.done()]

    async def apply_events(self) -> None:
        events = (self.arrive, self.toggle_reading, self.finish_shared, *[self.finish_random] * 2)
        for _ in range(2000):
            self.rng.choice(events)()
            if self.rng.random() < 0.2:
                await asyncio.sleep(0)
        self.pipeline.resume()

    async def finish_all(self) -> None:
        while self.pipeline.in_flight:
            before = self.pipeline.in_flight
            self.finish_shared()
            for future in self.waiting():
                future.set_result(None)
            await settle()
            assert self.pipeline.in_flight < before

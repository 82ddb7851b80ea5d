"""A pipeline whose requests end when a test, or chance, says so."""

import asyncio
import random
from collections.abc import Awaitable

from gateway_svc.dispatch.reply import Deferred, Parts, PendingResponse, TaskResponse
from gateway_svc.net.pipeline import SMALL_BUDGET, LoopBudget, Pipeline
from gateway_svc.wire.violations import ProtocolViolation


class PendingAnswer(PendingResponse):
    """Echoes its frame when its future is done; silent ones are not answered."""

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


class World:
    """A pipeline whose frames say what they are.

    They begin with `pending`, `silent`, `shared`, `alone`, `turn` or `now`, or are `bad`. All that
    are `shared` wait for the same future.
    """

    def __init__(self, turn: LoopBudget = SMALL_BUDGET) -> None:
        self.turn = turn
        self.started: list[bytes] = []
        self.pending: dict[bytes, PendingAnswer] = {}
        self.shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gates: dict[bytes, asyncio.Future[None]] = {}
        self.writes: list[list[bytes]] = []
        self.answered_bytes = 0
        self.errors: list[Exception] = []
        self.pipeline = Pipeline(self.answer, self, turn)

    def answer(self, frame):
        self.started.append(frame)
        if frame == b"bad":
            raise ProtocolViolation("not Kafka")
        if frame.startswith((b"pending", b"silent")):
            self.pending[frame] = PendingAnswer(frame)
            return self.pending[frame]
        if frame.startswith(b"shared"):
            timeout_ms = 100_000 if frame.endswith(b"patient") else 1000
            return PendingAnswer(frame, timeout_ms=timeout_ms, future=self.shared)
        if frame.startswith(b"turn"):
            return Deferred(lambda: self.pending.setdefault(frame, PendingAnswer(frame)))
        if frame.startswith(b"alone"):
            self.gates[frame] = asyncio.get_running_loop().create_future()
            return exclusive(frame, self.gates[frame])
        return [frame]

    def send(self, parts: Parts, answered_bytes: int) -> None:
        if parts:
            self.writes.append([bytes(part) for part in parts])
        self.answered_bytes += answered_bytes

    def fail(self, error: Exception) -> None:
        self.errors.append(error)

    @property
    def sent(self) -> list[bytes]:
        return [part for parts in self.writes for part in parts]

    async def ask(self, *frames: bytes) -> None:
        self.pipeline.accept(frames)
        self.pipeline.start()
        await settle()

    async def finish(self, *frames: bytes) -> None:
        for frame in frames:
            future = self.gates.get(frame) or self.pending[frame].future
            future.set_result(None)
        await settle()


async def settle() -> None:
    """Lets everything run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


class ChanceWorld(World):
    """Does any of what may happen to a connection, one thing after the other."""

    def __init__(self, chance: random.Random, frames: list[bytes]) -> None:
        super().__init__()
        self.chance = chance
        self.left = list(frames)
        self.is_held = False

    def answer(self, frame):
        """`later`: in its turn it turns out to need a task of its own."""
        if not frame.startswith(b"later"):
            return super().answer(frame)
        self.started.append(frame)
        gate = self.gates[frame] = asyncio.get_running_loop().create_future()
        return Deferred(lambda: exclusive(frame, gate))

    def arrive(self) -> None:
        count = self.chance.randrange(1, 4)
        self.pipeline.accept(self.left[:count])
        del self.left[:count]
        self.pipeline.start()

    def read_or_not(self) -> None:
        self.is_held = not self.is_held
        (self.pipeline.pause if self.is_held else self.pipeline.resume)()

    def finish_shared(self) -> None:
        self.shared.set_result(None)
        self.shared = asyncio.get_running_loop().create_future()

    def finish_one(self) -> None:
        waiting = self.waiting()
        if waiting:
            self.chance.choice(waiting).set_result(None)

    def waiting(self) -> list[asyncio.Future[None]]:
        under_way = [*self.gates.values(), *(one.future for one in self.pending.values())]
        return [one for one in under_way if not one.done()]

    async def happen(self) -> None:
        things = (self.arrive, self.read_or_not, self.finish_shared, *[self.finish_one] * 2)
        for _ in range(2000):
            self.chance.choice(things)()
            if self.chance.random() < 0.2:
                await asyncio.sleep(0)
        self.pipeline.resume()

    async def end(self) -> None:
        while self.pipeline.unanswered:
            before = self.pipeline.unanswered
            self.finish_shared()
            for one in self.waiting():
                one.set_result(None)
            await settle()
            assert self.pipeline.unanswered < before

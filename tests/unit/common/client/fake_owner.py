"""A partition service that stores nothing, for tests of the append stream."""

import asyncio
from asyncio import Future
from collections.abc import Sequence

from common.ports.partitions import Append, AppendResult, LogId, Partitions

LOG = LogId(b"x" * 16, 3)


def appends(*batches: bytes) -> list[Append]:
    return [Append(LOG, batch) for batch in batches]


class FakeOwner(Partitions):
    """Stores nothing; responds at once or in `respond`, with offsets in order of arrival."""

    def __init__(self, *, responds_at_once: bool = True) -> None:
        self.responds_at_once = responds_at_once
        self.calls: list[tuple[list[Append], int]] = []
        self.open: list[tuple[Future[list[AppendResult]], list[AppendResult]]] = []
        self.stored = 0
        self.arrived = asyncio.Event()

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        self.calls.append((list(appends), acks))
        results = [AppendResult(base_offset=self.stored + n) for n in range(len(appends))]
        self.stored += len(appends)
        future: Future[list[AppendResult]] = asyncio.get_running_loop().create_future()
        self.open.append((future, results))
        if self.responds_at_once:
            self.respond()
        self.arrived.set()
        return future

    def respond(self) -> None:
        for future, results in self.open:
            future.set_result(results)
        self.open.clear()

    async def wait_until_stored(self, count: int) -> None:
        while self.stored < count:
            self.arrived.clear()
            await self.arrived.wait()

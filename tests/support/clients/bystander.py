"""Well-behaved client that works while others misbehave, and checks its own results."""

import threading
from typing import Self

from tests.support.clients.raw_client import RawClient
from tests.support.processes.deployments import Deployment
from tests.support.waiting import eventually
from tests.support.wire.batches import record_batch
from tests.support.wire.records import numbered

_JOIN_WITHIN_S = 60.0


class Bystander:
    """Produces and reads back in a thread of its own, on one connection that must never break.

    Use it in a `with`, which fails at its end if a request failed, or if no new round completes.
    """

    def __init__(self, broker: Deployment) -> None:
        self._client = RawClient(broker.address)
        self._topic = self._client.create_topic()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.rounds = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for_rounds(1)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                # The current round may have begun before the attack ended; the next one did not.
                self.wait_for_rounds(2)
        finally:
            self._stop.set()
            self._thread.join(_JOIN_WITHIN_S)
            self._client.close()
        if self._error is not None:
            raise AssertionError("a well-behaved client was disturbed") from self._error

    def wait_for_rounds(self, count: int) -> None:
        """Waits until `count` more rounds are done."""
        target = self.rounds + count
        eventually(
            lambda: self.rounds >= target or self._error is not None,
            within_s=_JOIN_WITHIN_S,
            what="rounds of a well-behaved client",
        )

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._run_round()
                self.rounds += 1
        except BaseException as error:  # noqa: BLE001 - raised by __exit__, on the test's thread
            self._error = error

    def _run_round(self) -> None:
        offset = 3 * self.rounds
        batch = record_batch(numbered(3, start=offset))
        assert tuple(self._client.produce(self._topic, batch)) == (0, offset)
        (read,) = self._client.fetch(self._topic, offset, max_wait_ms=30_000).batches
        assert read[16:] == batch[16:], "the bytes of another batch"

"""Runs of a store that end by SIGKILL, each in a fork of this process.

Run as `python -m tests.support.stores.crash_child FOLDER`. Each line of its input is a run, as JSON
(see `Run`). The run prints its steps, each in one write: what a killed process has printed it had
done. When it has ended, the line "end STATUS" follows.
"""

import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from partition_svc.store.failures import StorageFailed
from partition_svc.store.log_store import LogStore
from tests.support.stores.crash_groups import digest, group, last_group, rows_of

#: Small, so that files of the journal begin often.
_FLUSH_BYTES: Final = 64 << 10
#: Openings that fail before the run is given up: more than the disk has faults.
_OPENINGS_MAX: Final = 30
_WEIGHTS: Final = {
    "write": 60,
    "sync": 15,
    "roll": 6,
    "roll and wait": 3,
    "extend": 4,
    "remove": 8,
    "compact": 2,
    "reopen": 2,
    "recover": 2,
}


log = logging.getLogger(__name__)


class Run(NamedTuple):
    """`store`: name of its folder. `steps`: a number of random steps, or their kinds.

    `is_killed`: after the steps, else it closes the store.
    """

    store: str
    seed: int
    steps: int | Sequence[str]
    is_killed: bool = True


def say(*words: object) -> None:
    os.write(sys.stdout.fileno(), " ".join(map(str, words)).encode() + b"\n")


class Child:
    def __init__(self, folder: Path, run: Run) -> None:
        self._folder = folder / run.store
        self._run = run
        self._rng = Random(run.seed)

    def run(self) -> None:
        self._open()
        for step in self._steps():
            try:
                self._do(step)
            except StorageFailed as error:
                say("failed", step, error)
                self._recover()
        if self._run.is_killed:
            os.kill(os.getpid(), signal.SIGKILL)
        self._store.close()
        say("closed")

    def _steps(self) -> Sequence[str]:
        if not isinstance(self._run.steps, int):
            return self._run.steps
        return self._rng.choices([*_WEIGHTS], [*_WEIGHTS.values()], k=self._run.steps)

    def _do(self, step: str) -> None:
        store = self._store
        if step == "write":
            number = self._count + 1
            say("writes", number, store.generation)
            store.write(group(self._run.seed, number, store.generation), 1)
            self._count = number
            say("wrote", number)
        elif step == "sync":
            store.sync()
            say("synced", self._count)
        elif step in ("roll", "roll and wait"):
            store.roll(wait=step != "roll")
        elif step == "extend":
            store.journaled.extend()
        elif step == "remove":
            store.journaled.remove_flushed()
        elif step == "compact":
            # Nothing is deleted as a log: so RocksDB may compact.
            store.find_reclaimable()
        elif step == "recover":
            self._recover()
        else:
            store.close()
            say("closed")
            self._open()

    def _open(self) -> None:
        for _ in range(_OPENINGS_MAX):
            try:
                self._store = LogStore(self._folder, flush_bytes=_FLUSH_BYTES)
            except StorageFailed as error:
                say("refused", error)
                gc.collect()
                continue
            if self._store.is_writable:
                self._report()
            else:
                self._recover()
            return
        raise AssertionError("the store cannot be opened")

    def _recover(self) -> None:
        """Recovers until it works, as the committer does after a failure."""
        for _ in range(_OPENINGS_MAX):
            try:
                self._store.recover()
            except StorageFailed as error:
                say("unrecovered", error)
                continue
            if self._store.is_writable:
                self._report()
                return
        raise AssertionError("the store cannot be recovered")

    def _report(self) -> None:
        rows = rows_of(self._store)
        self._count = last_group(rows)
        say("opened", self._count, digest(rows))


def serve(folder: Path) -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = 1
            try:
                Child(folder, Run(**json.loads(line))).run()
                status = 0
            except BaseException:
                log.exception("the run failed")
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        say("end", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    serve(Path(sys.argv[1]))

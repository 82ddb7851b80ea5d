"""Checks of a store that crashes again and again: by SIGKILL, by loss of power, on a failing disk.

The store must always have a prefix of the groups that were written: all of them after SIGKILL, and
all that were synced after a loss of power. No group may be there in part.
"""

import errno
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final, Self

from tests.support.stores.crash_child import Run
from tests.support.stores.crash_groups import Model, group
from tests.support.stores.faulty_disk import CHANGES, SYNC, TORN, WRITE, FaultyDisk
from tests.support.stores.power_loss import begin_again, cut

ROOT: Final = Path(__file__).parents[3]
#: Crashes of one store before the next one begins.
_CRASHES_OF_A_STORE: Final = 40
#: About as many calls that change the disk as a start and some steps make.
_CALLS: Final = 150


class CrashingStore:
    """A store that is opened again after each crash, and what must be in it."""

    def __init__(self, folder: Path) -> None:
        self.disk = FaultyDisk(folder / "data", folder / "faults")
        #: What the last run has said.
        self.steps: list[str] = []
        self._number = 0
        self._output = folder / "output"
        self._begin()

    def _begin(self) -> None:
        self._name = f"store{self._number}"
        self._model = Model()
        #: Groups that no power loss may take, that no kill may take, and that may be there.
        self._synced = self._written = self._attempted = 0

    def __enter__(self) -> Self:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.stores.crash_child", str(self.disk.root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=self.disk.journaling_environment,
                cwd=ROOT,
                text=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def begin_new_store(self) -> None:
        shutil.rmtree(self.disk.root / self._name, ignore_errors=True)
        begin_again(self.disk)
        self._number += 1
        self._begin()

    def run(self, seed: int, steps: int | Sequence[str], *, is_killed: bool = True) -> None:
        """Lets the store run until it ends, and checks all that it says."""
        run = Run(self._name, seed, steps, is_killed)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(run._asdict()) + "\n")
        self._process.stdin.flush()
        self.steps = []
        for line in self._process.stdout:
            kind, *words = line.split()
            self.steps.append(line.rstrip())
            if kind == "end":
                self._on_end(int(words[0]))
                return
            self._on_step(run, kind, words)
        raise AssertionError(self.explain("the process of the runs has ended"))

    def cut_power(self, rng: Random) -> None:
        """Takes back what is not synced."""
        cut(self.disk, rng)
        self._written = self._synced

    def explain(self, problem: str) -> str:
        output = self._output.read_text(encoding="utf-8").splitlines()
        return "\n".join([problem, *self.steps[-40:], "--- its output:", *output[-30:]])

    def _on_step(self, run: Run, kind: str, words: list[str]) -> None:
        if kind == "writes":
            self._attempted = int(words[0])
            self._model.apply(self._attempted, group(run.seed, *map(int, words)))
        elif kind == "wrote":
            self._written = int(words[0])
        elif kind == "synced":
            self._synced = int(words[0])
        elif kind == "closed":
            # `close` reports no failures.
            self._synced = self._synced if self.disk.failures else self._written
        elif kind == "opened":
            self._on_opened(int(words[0]), words[1])

    def _on_opened(self, count: int, found: str) -> None:
        assert self._written <= count, self.explain(f"groups after {count} are lost")
        assert count <= self._attempted, self.explain("there is a group that was not written")
        assert self._model.digest(count) == found, self.explain(f"not the state after {count}")
        # What an opening has recovered is in files.
        self._synced = self._written = self._attempted = count
        self._model.forget_before(count)

    def _on_end(self, status: int) -> None:
        assert status in (0, -9), self.explain(f"the run has ended with {status}")


def crash_at_random(folder: Path, seed: int, count: int) -> dict[str, int]:
    """Crashes stores `count` times; returns the number of crashes of each kind."""
    crashes = dict.fromkeys(["steps", "call", "EIO", "ENOSPC", "power"], 0)
    with CrashingStore(folder) as store:
        for number in range(count):
            rng = Random(f"{seed} {number}")
            if number % _CRASHES_OF_A_STORE == 0:
                store.begin_new_store()
            kind = rng.choice(["steps", "call", "call", "EIO", "ENOSPC"])
            _plan_fault(store.disk, kind, rng)
            try:
                store.run(rng.getrandbits(32), rng.randint(0, 25), is_killed=rng.random() < 0.9)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, crash {number} ({kind}): {error}") from error
            crashes[kind] += 1
            if rng.random() < 0.5:
                store.cut_power(rng)
                crashes["power"] += 1
    return crashes


def _plan_fault(disk: FaultyDisk, kind: str, rng: Random) -> None:
    """The next run is killed after its steps, or at some call, or has some calls that fail."""
    disk.heal()
    if kind == "call":
        disk.fail(CHANGES, error=-signal.SIGKILL, after=rng.randint(0, _CALLS))
    elif kind != "steps":
        operations = rng.choice([CHANGES | TORN, WRITE | TORN, SYNC])
        times, after = rng.choice([1, 1, 3]), rng.randint(0, _CALLS // 2)
        disk.fail(operations, error=getattr(errno, kind), times=times, after=after)

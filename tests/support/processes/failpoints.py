"""Failpoints at which a process waits until a test releases it (`common/runtime/failpoints.py`).

Each failpoint has a file: a process that reaches the failpoint waits while the file exists. So a
test can enable a failpoint while the process runs, and kill any process that waits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes.processes import BrokerProcess

TARGET = ("prepare", "catch-up", "fence", "fenced", "installed", "committed")
SOURCE = ("copy", "fence", "fenced", "clean", "cleaned")
METADATA = tuple(
    f"{phase}.{when}"
    for phase in ("prepare", "catch-up", "fence", "commit", "end")
    for when in ("before", "after")
)

#: All failpoints of a move that succeeds.
PLACES = (
    *(f"move.target.{name}" for name in TARGET),
    *(f"move.source.{name}" for name in SOURCE),
    *(f"move.metadata.{name}" for name in METADATA),
)
#: Failpoints of the rollback of a fenced move.
ROLL_BACK = ("move.metadata.rollback.before", "move.metadata.rollback.after")
#: Failpoints of the removal of a member.
REMOVAL = ("ring.metadata.remove.before", "ring.metadata.remove.after")

#: Failpoints of compaction: a round over all logs, and a pass over one log.
ROUND = "clean.round"
CLEANING = tuple(f"clean.{name}" for name in ("begin", "replace", "replaced", "note", "noted"))


class Failpoints:
    """The files of failpoints, in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def held_by_files(self) -> str:
        """Value of the environment variable FAILPOINTS of every process."""
        places = (*PLACES, *ROLL_BACK, *REMOVAL, ROUND, *CLEANING)
        return " ".join(f"{place}={self._folder / place}" for place in places)

    @contextmanager
    def held(self, place: str) -> Iterator[None]:
        """Holds every process that reaches `place` until the `with` ends."""
        file = self._folder / place
        file.touch()
        try:
            yield
        finally:
            file.unlink()


def wait_until_at(process: BrokerProcess, place: str, *, after: int = 0) -> None:
    """Waits until `place` was reached more than `after` times."""
    process.wait_for_line(_line(place), nth=after + 1)


def count_reached(process: BrokerProcess, place: str) -> int:
    return len(process.lines_with(_line(place)))


def _line(place: str) -> str:
    return rf"failpoint {place.replace('.', '[.]')}$"

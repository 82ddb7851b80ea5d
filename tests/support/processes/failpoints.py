"""Places where a process of a test waits until it is released (`common/runtime/failpoints.py`).

Every process knows all places, each with a file: it stays at a place for as long as the file is
there. So a test arms a place while the process runs, and can kill any process meanwhile.
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

#: Every place of a move that goes well, in the words of the processes that reach them.
PLACES = (
    *(f"move.target.{name}" for name in TARGET),
    *(f"move.source.{name}" for name in SOURCE),
    *(f"move.metadata.{name}" for name in METADATA),
)
#: Where a move is taken back that its fence stopped.
ROLL_BACK = ("move.metadata.rollback.before", "move.metadata.rollback.after")
#: Where a member is removed.
REMOVAL = ("ring.metadata.remove.before", "ring.metadata.remove.after")

#: Where logs are compacted: a round over all of them, and a pass over one that has work.
ROUND = "clean.round"
CLEANING = tuple(f"clean.{name}" for name in ("begin", "replace", "replaced", "note", "noted"))


class Failpoints:
    """The files, below a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def held_by_files(self) -> str:
        """For the environment variable FAILPOINTS of every process."""
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


def times_at(process: BrokerProcess, place: str) -> int:
    return len(process.lines_with(_line(place)))


def _line(place: str) -> str:
    return rf"failpoint {place.replace('.', '[.]')}$"

"""A client library behind a small command-line program: one for each, all with the same commands.

    produce ADDRESS TOPIC COUNT CODEC...
        COUNT idempotent records (acks=all) into partition 0 with the first codec, into 1 with the
        next, and so on: key "key N", value "value N", header kind=interop. Prints each one's place.
    consume ADDRESS TOPIC GROUP ASSIGNOR [INSTANCE]
        A member of the group, static where INSTANCE is given. Prints {"assigned": [partition…]}
        when that changes, and every record; commits what it printed; leaves when its input ends.
    admin ADDRESS
        Answers each line of its input by one: {"is": …} or {"error": Kafka's code}.

Answers are JSON, one a line. Logs go to stderr.
"""

import json
import subprocess
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from tests.support.waiting import eventually

#: The machine may be busy, and some have a virtual machine to start first.
_WITHIN_S = 180.0


class Place(NamedTuple):
    """Partition and offset of a record."""

    partition: int
    offset: int


class RunningProgram:
    """Use it in a `with`, which ends its input and waits: an error status fails.

    Its output is read all the time, so it never blocks.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.answers: list[Any] = []
        self.log: list[str] = []
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        readers = [
            threading.Thread(target=self._read, args=(self._popen.stdout, self._on_answer)),
            threading.Thread(target=self._read, args=(self._popen.stderr, self.log.append)),
        ]
        self._readers = readers
        self._is_killed = False
        for reader in readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0] is not None:
            self.kill()
        self.end_input()
        status = self._wait()
        assert self._is_killed or status == 0, self.tail

    def kill(self) -> None:
        """Kills the program; its exit status is ignored."""
        self._is_killed = True
        self._popen.kill()

    def end_input(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.close()

    def ask(self, line: str) -> Any:
        """Response to a line of its input."""
        assert self._popen.stdin is not None
        known = len(self.answers)
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()
        self._eventually(lambda: len(self.answers) > known, f"an answer to {line!r}")
        return self.answers[known]

    def wait_for_assignment(self, count: int) -> set[int]:
        """Waits until it owns `count` partitions, and returns them."""
        self._eventually(lambda: len(self.assigned) == count, f"{count} partitions")
        return self.assigned

    def wait_for_records(self, places: Iterable[Place]) -> None:
        wanted = set(places)
        self._eventually(lambda: wanted <= set(self.read), f"{len(wanted)} records")

    @property
    def assignments(self) -> list[set[int]]:
        return [set(answer["assigned"]) for answer in self.answers if "assigned" in answer]

    @property
    def assigned(self) -> set[int]:
        return (self.assignments or [set()])[-1]

    @property
    def records(self) -> list[dict[str, Any]]:
        return [answer for answer in self.answers if "offset" in answer]

    @property
    def read(self) -> list[Place]:
        return [Place(record["partition"], record["offset"]) for record in self.records]

    @property
    def tail(self) -> str:
        return "\n".join([f"answers: {self.answers[-5:]}", *self.log[-40:]])

    def _eventually(self, look: Any, what: str) -> None:
        def is_so() -> bool:
            assert look() or self._popen.poll() is None, f"it ended without {what}\n{self.tail}"
            return bool(look())

        try:
            eventually(is_so, within_s=_WITHIN_S, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail}") from None

    def _wait(self) -> int:
        try:
            return self._popen.wait(timeout=_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise AssertionError(f"it does not end\n{self.tail}") from None
        finally:
            for reader in self._readers:
                reader.join(timeout=_WITHIN_S)

    def _read(self, lines: Any, keep: Any) -> None:
        with lines:
            for line in lines:
                keep(line.rstrip("\n"))

    def _on_answer(self, line: str) -> None:
        self.answers.append(json.loads(line))

"""A client library behind a small command-line program; all programs have the same commands.

    produce ADDRESS TOPIC COUNT CODEC...
        COUNT idempotent records (acks=all) into partition 0 with the first codec, into 1 with the
        next, and so on: key "key N", value "value N", header kind=interop. Prints their positions.
    consume ADDRESS TOPIC GROUP ASSIGNOR [INSTANCE]
        A member of the group, static if INSTANCE is present. Prints {"assigned": [partition…]}
        when that changes, and every record; commits them; leaves the group when its input ends.
    admin ADDRESS
        Responds to each line of its input with a line: {"is": …} or {"error": Kafka's code}.

Responses are JSON, one a line. Logs go to stderr.
"""

import json
import subprocess
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from tests.support.waiting import eventually

#: The machine may be busy, and some programs start a virtual machine first.
_WITHIN_S = 180.0


class Position(NamedTuple):
    """Partition and offset of a record."""

    partition: int
    offset: int


class RunningProgram:
    """A program to use in a `with`, which at its end closes the input and checks the exit status.

    Threads read its output all the time, so that it never blocks.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.responses: list[Any] = []
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
            threading.Thread(target=self._read, args=(self._popen.stdout, self._on_response)),
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

    def send(self, line: str) -> Any:
        """Writes a line to its input, and returns the response."""
        assert self._popen.stdin is not None
        count = len(self.responses)
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()
        self._eventually(lambda: len(self.responses) > count, f"a response to {line!r}")
        return self.responses[count]

    def wait_for_assignment(self, count: int) -> set[int]:
        """Waits until it owns `count` partitions, and returns them."""
        self._eventually(lambda: len(self.assigned) == count, f"{count} partitions")
        return self.assigned

    def wait_for_records(self, positions: Iterable[Position]) -> None:
        expected = set(positions)
        self._eventually(lambda: expected <= set(self.positions), f"{len(expected)} records")

    @property
    def assignments(self) -> list[set[int]]:
        return [set(line["assigned"]) for line in self.responses if "assigned" in line]

    @property
    def assigned(self) -> set[int]:
        return (self.assignments or [set()])[-1]

    @property
    def records(self) -> list[dict[str, Any]]:
        return [line for line in self.responses if "offset" in line]

    @property
    def positions(self) -> list[Position]:
        """Positions of the records that it read or produced, in order."""
        return [Position(record["partition"], record["offset"]) for record in self.records]

    @property
    def tail(self) -> str:
        return "\n".join([f"responses: {self.responses[-5:]}", *self.log[-40:]])

    def _eventually(self, condition: Any, what: str) -> None:
        def is_met() -> bool:
            is_running = self._popen.poll() is None
            assert condition() or is_running, f"the program ended without {what}\n{self.tail}"
            return bool(condition())

        try:
            eventually(is_met, within_s=_WITHIN_S, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail}") from None

    def _wait(self) -> int:
        try:
            return self._popen.wait(timeout=_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
            raise AssertionError(f"the program does not end\n{self.tail}") from None
        finally:
            for reader in self._readers:
                reader.join(timeout=_WITHIN_S)

    def _read(self, lines: Any, append: Any) -> None:
        with lines:
            for line in lines:
                append(line.rstrip("\n"))

    def _on_response(self, line: str) -> None:
        self.responses.append(json.loads(line))

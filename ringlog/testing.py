"""A real broker for the tests of other projects.

With pytest: `pytest_plugins = ["ringlog.testing"]` in the top `conftest.py`, then use the fixture
`ringlog_broker`. It is one broker for the whole run, so every test should have its own topics.
Without pytest: `with running_broker(folder) as broker: …`.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from ringlog.announcement import Addresses, read_announcement

_STOP_WITHIN_S = 30.0


class BrokerDidNotStart(Exception):
    """Raised when the process ended before it was ready; the reason is on its stderr."""


@contextmanager
def running_broker(
    data_dir: Path | str, settings: Mapping[str, str] | None = None
) -> Iterator[Addresses]:
    """Runs a standalone broker in a process of its own, on free loopback ports.

    Args:
        data_dir: is kept afterwards; the next broker with the same directory has the same logs.
        settings: by name, as for `--set`.

    Raises:
        BrokerDidNotStart: for instance, another broker uses `data_dir`.
    """
    command = _command(data_dir, settings or {})
    # This interpreter and this package; no shell.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        with process.stdout as lines:
            addresses = read_announcement(lines)
        if addresses is None:
            raise BrokerDidNotStart(f"status {process.wait()}")
        yield addresses
    finally:
        _stop(process)


@pytest.fixture(scope="session")
def ringlog_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Addresses]:
    """Provides one broker for all tests; `ringlog_broker.kafka` is its bootstrap address."""
    with running_broker(tmp_path_factory.mktemp("ringlog")) as addresses:
        yield addresses


def _command(data_dir: Path | str, settings: Mapping[str, str]) -> list[str]:
    command = [sys.executable, "-m", "ringlog", "standalone", "--data-dir", str(data_dir)]
    command += ["--listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0"]
    return command + [word for item in settings.items() for word in ("--set", "=".join(item))]


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""A Docker engine: the one that runs on this machine, or one that is started for the tests.

An engine that the tests start writes no iptables rules and creates no default bridge, so that it
leaves nothing behind. Containers of one network reach each other, published ports go through its
proxy, and images are built on the host's network; the tests need nothing else.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import docker
from docker.errors import DockerException

from tests.support.tools import need
from tests.support.waiting import eventually

#: An engine takes a few seconds to start, and longer to remove old containers.
_READY_WITHIN_S = 60.0
_STOPPED_WITHIN_S = 60.0
#: Building an image is one call.
_CALL_WITHIN_S = 900


class Engine(NamedTuple):
    """A running engine. `host` ("unix:///…") has the format of DOCKER_HOST."""

    host: str
    client: docker.DockerClient

    @property
    def environment(self) -> dict[str, str]:
        """Environment of commands that use this engine."""
        return {**os.environ, "DOCKER_HOST": self.host}


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Finds or starts an engine. Otherwise skips, or fails if all tools are required."""
    existing = _find_engine()
    if existing is not None:
        try:
            yield existing
        finally:
            existing.client.close()
        return
    need(shutil.which("dockerd"), "a running Docker engine, or dockerd to start one")
    need(os.geteuid() == 0, "a running Docker engine, or root to start one")
    with tempfile.TemporaryDirectory(prefix="ringlog-engine-") as folder:
        yield from _start_engine(Path(folder))


def _find_engine() -> Engine | None:
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    client = _connect(host)
    return None if client is None else Engine(host, client)


def _connect(host: str) -> docker.DockerClient | None:
    """Returns a client; None if no engine responds."""
    # Checked first: the library leaves a socket open if nothing listens.
    if host.startswith("unix://") and not _listens(host.removeprefix("unix://")):
        return None
    try:
        return docker.DockerClient(base_url=host, timeout=_CALL_WITHIN_S)
    except DockerException:
        return None


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _start_engine(folder: Path) -> Iterator[Engine]:
    host = f"unix://{folder}/docker.sock"
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(folder, host),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        client = _wait_for_client(process, host, log)
        try:
            yield Engine(host, client)
        finally:
            client.close()
    finally:
        # On SIGTERM dockerd stops all containers first.
        process.terminate()
        try:
            process.wait(_STOPPED_WITHIN_S)
        finally:
            process.kill()
            process.wait()
            _unmount(folder)


def _unmount(folder: Path) -> None:
    """Unmounts the network namespace of containers on the host's network, which dockerd leaves."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if mount.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount], check=False)


def _command(folder: Path, host: str) -> list[str]:
    return [
        # Stops dockerd also if the test process is killed.
        *("setpriv", "--pdeathsig", "TERM"),
        *("dockerd", "--host", host, "--pidfile", f"{folder}/pid"),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
        *("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
    ]


def _wait_for_client(process: subprocess.Popen[bytes], host: str, log: Path) -> docker.DockerClient:
    def connect() -> docker.DockerClient | None:
        need(process.poll() is None, f"a Docker engine: dockerd cannot run here\n{_tail(log)}")
        return _connect(host)

    client = eventually(connect, within_s=_READY_WITHIN_S, what="a Docker engine that responds")
    assert client is not None
    return client


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])

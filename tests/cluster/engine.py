"""A Docker engine: the one that answers here, or one of our own for as long as the tests run.

An engine of our own writes no iptables rules and makes no default bridge, so that nothing is left
of it. Containers of one network reach each other, published ports go through its proxy, and images
are built on the host's network; more is not needed here.
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

#: The first answer takes a few seconds; removing what containers left, some more.
_ANSWERS_WITHIN_S = 60.0
_ENDS_WITHIN_S = 60.0
#: A build of an image is one call.
_CALL_WITHIN_S = 900


class Engine(NamedTuple):
    """An engine that answers at `host` ("unix:///…"), as DOCKER_HOST has it."""

    host: str
    client: docker.DockerClient

    @property
    def environment(self) -> dict[str, str]:
        """For commands that are to talk to it."""
        return {**os.environ, "DOCKER_HOST": self.host}


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Skips, or fails where all tools are required, if there is none and none can be started."""
    answering = _answering()
    if answering is not None:
        try:
            yield answering
        finally:
            answering.client.close()
        return
    need(shutil.which("dockerd"), "a Docker engine that answers, or dockerd to start one")
    need(os.geteuid() == 0, "a Docker engine that answers, or root to start one")
    with tempfile.TemporaryDirectory(prefix="ringlog-engine-") as folder:
        yield from _own(Path(folder))


def _answering() -> Engine | None:
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    client = _connected(host)
    return None if client is None else Engine(host, client)


def _connected(host: str) -> docker.DockerClient | None:
    """A client, if an engine answers."""
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


def _own(folder: Path) -> Iterator[Engine]:
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
        client = _client_of(process, host, log)
        try:
            yield Engine(host, client)
        finally:
            client.close()
    finally:
        # On SIGTERM it ends every container first.
        process.terminate()
        try:
            process.wait(_ENDS_WITHIN_S)
        finally:
            process.kill()
            process.wait()
            _unmount(folder)


def _unmount(folder: Path) -> None:
    """Unmounts what it leaves behind: the network namespace of containers on the host's network."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if mount.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount], check=False)


def _command(folder: Path, host: str) -> list[str]:
    return [
        # Nobody is left to stop it where the tests are killed.
        *("setpriv", "--pdeathsig", "TERM"),
        *("dockerd", "--host", host, "--pidfile", f"{folder}/pid"),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
        *("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
    ]


def _client_of(process: subprocess.Popen[bytes], host: str, log: Path) -> docker.DockerClient:
    def look() -> docker.DockerClient | None:
        need(process.poll() is None, f"a Docker engine: dockerd cannot run here\n{_tail(log)}")
        return _connected(host)

    client = eventually(look, within_s=_ANSWERS_WITHIN_S, what="a Docker engine that answers")
    assert client is not None
    return client


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])

"""A real etcd of its own for a test: on free ports, with its own data, started, killed, paused."""

import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from common.etcd.client import EtcdClient, EtcdError
from common.etcd.election import Election
from common.etcd.leadership import Leadership
from protos.etcd.v3 import rpc_pb2 as pb
from tests.support.ports import ReservedPort
from tests.support.processes import stop
from tests.support.tools import need
from tests.support.waiting import eventually

#: Long, so that no slow machine loses a leadership: tests end it when they are through with it.
TTL_S = 60


class EtcdServer:
    """One member of etcd. Use it in a `with`."""

    def __init__(self, folder: Path, arguments: Sequence[str] = (), scheme: str = "http") -> None:
        need(shutil.which("etcd"), "etcd (Debian package etcd-server)")
        self._folder = folder
        self._clients, self._peers = ReservedPort(), ReservedPort()
        clients, peers = f"{scheme}://{self.address}", f"http://{self._peers.address}"
        self._command = [
            "etcd",
            *("--data-dir", str(folder / "data")),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}"),
            *arguments,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return self._clients.address

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._clients.release()
        self._peers.release()

    def start(self) -> None:
        """Does not wait: clients have to."""
        assert self._process is None
        with (self._folder / "etcd.log").open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        stop(self._process)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def wait_until_ready(self, client: EtcdClient) -> None:
        eventually(lambda: _answers(client), what=f"an etcd that answers at {self.address}")


def _answers(client: EtcdClient) -> bool:
    try:
        client.range(pb.RangeRequest(key=b"any"))
    except EtcdError:
        return False
    return True


def elected(client: EtcdClient, prefix: bytes, name: str = "test") -> Leadership:
    """Waits for as long as others lead."""
    election = Election(client, prefix=prefix, name=name, ttl_s=TTL_S)
    leadership = election.campaign(lambda: None)
    assert leadership is not None
    return leadership

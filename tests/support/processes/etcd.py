"""A real etcd for a test, with its own ports and data, to be started, killed and paused."""

import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from common.etcd.client import EtcdClient, EtcdError
from common.etcd.election import Election
from common.etcd.leadership import LeaderTerm
from protos.etcd.v3 import rpc_pb2 as pb
from tests.support.processes.ports import ReservedPort
from tests.support.processes.processes import stop
from tests.support.tools import need
from tests.support.waiting import eventually

#: Long, so that no leadership expires on a slow machine: tests resign at their end.
TTL_S = 60


class EtcdServer:
    """One member of etcd. Use it in a `with`."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str] = (),
        scheme: str = "http",
        name: str = "default",
    ) -> None:
        need(shutil.which("etcd"), "etcd (Debian package etcd-server)")
        self._folder = folder
        self._name = name
        self._clients, self._peers = ReservedPort(), ReservedPort()
        self._clients_url = f"{scheme}://{self.address}"
        self._arguments = arguments
        #: All members of the cluster, in the format of --initial-cluster.
        self.initial_cluster = self.peer
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return self._clients.address

    @property
    def peer(self) -> str:
        """Name and URL for other members."""
        return f"{self._name}={self._peers_url}"

    @property
    def _peers_url(self) -> str:
        return f"http://{self._peers.address}"

    @property
    def _command(self) -> list[str]:
        clients, peers = self._clients_url, self._peers_url
        return [
            "etcd",
            *("--name", self._name, "--data-dir", str(self._folder / "data")),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", self.initial_cluster),
            *self._arguments,
        ]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._clients.release()
        self._peers.release()

    def start(self) -> None:
        """Starts etcd; does not wait until it is ready."""
        assert self._process is None
        with (self._folder / "etcd.log").open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)

    def kill(self) -> None:
        """Kills etcd with SIGKILL."""
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
        eventually(lambda: _is_ready(client), what=f"etcd at {self.address} to be ready")


class EtcdMembers:
    """Several members of one etcd cluster. Use it in a `with`."""

    def __init__(self, folder: Path, count: int) -> None:
        self.members = []
        for number in range(count):
            data_dir = folder / f"etcd-{number}"
            data_dir.mkdir()
            self.members.append(EtcdServer(data_dir, name=f"etcd-{number}"))
        for member in self.members:
            member.initial_cluster = ",".join(item.peer for item in self.members)

    @property
    def address(self) -> str:
        """Addresses of all members, separated by commas."""
        return ",".join(member.address for member in self.members)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.__exit__()

    def start(self) -> None:
        for member in self.members:
            member.start()


def _is_ready(client: EtcdClient) -> bool:
    try:
        client.range(pb.RangeRequest(key=b"any"))
    except EtcdError:
        return False
    return True


def wait_until_elected(client: EtcdClient, prefix: bytes, name: str = "test") -> LeaderTerm:
    """Waits until `name` is elected leader, and returns its term."""
    election = Election(client, prefix=prefix, name=name, ttl_s=TTL_S)
    leadership = election.campaign(lambda: None)
    assert leadership is not None
    return leadership

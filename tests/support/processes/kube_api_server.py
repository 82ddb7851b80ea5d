"""A real Kubernetes API server on an etcd of its own, and kubectl as its client.

Nothing else of Kubernetes runs: no controllers, no nodes, no pods. The server validates objects,
sets defaults, stores them and evaluates admission policies as in any cluster. KUBE_APISERVER is the
path of the program, which is in no package of Debian: `tests/deploy/build_api_server.sh` builds it.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.support.processes.etcd import EtcdServer
from tests.support.processes.ports import ReservedPort
from tests.support.tools import need
from tests.support.waiting import eventually

_READY_WITHIN_S = 120.0
#: Token of a user with all permissions.
_TOKEN = "only-for-this-test"
_KUBECONFIG = """apiVersion: v1
kind: Config
clusters: [{{name: it, cluster: {{server: "https://{address}", insecure-skip-tls-verify: true}}}}]
users: [{{name: it, user: {{token: {token}}}}}]
contexts: [{{name: it, context: {{cluster: it, user: it}}}}]
current-context: it
"""


class ApiServer:
    """One kube-apiserver. Use it in a `with`."""

    def __init__(self, folder: Path) -> None:
        program = os.environ.get("KUBE_APISERVER")
        if not program:
            pytest.skip("KUBE_APISERVER names no kube-apiserver")
        for tool in ("kubectl", "openssl"):
            need(shutil.which(tool), tool)
        self._program = program
        self._folder = folder
        self._etcd = EtcdServer(folder)
        self._port = ReservedPort()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _command(self) -> list[str]:
        key = str(self._folder / "accounts.key")
        return [
            self._program,
            f"--etcd-servers=http://{self._etcd.address}",
            *("--bind-address=127.0.0.1", f"--secure-port={self._port.port}"),
            *("--permit-port-sharing", f"--cert-dir={self._folder}"),
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
            *("--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC"),
            # A controller would create the accounts; ringlog's pods use none.
            "--disable-admission-plugins=ServiceAccount",
        ]

    def __enter__(self) -> Self:
        address = self._port.address
        (self._folder / "kubeconfig").write_text(_KUBECONFIG.format(address=address, token=_TOKEN))
        (self._folder / "tokens.csv").write_text(f'{_TOKEN},admin,1,"system:masters"\n')
        subprocess.run(
            ["openssl", "genrsa", "-out", "accounts.key", "2048"],
            cwd=self._folder,
            check=True,
            capture_output=True,
        )
        self._etcd.start()
        with (self._folder / "kube-apiserver.log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        try:
            eventually(self._is_ready, within_s=_READY_WITHIN_S, what="a ready kube-apiserver")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._etcd.__exit__()
        self._port.release()

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "kube-apiserver.log").read_text()
        return not self.kubectl("get", "--raw", "/readyz").returncode

    def kubectl(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs kubectl against this API server; returns its output and exit status."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._folder / "kubeconfig"),
            "KUBECACHEDIR": str(self._folder / "cache"),
        }
        return subprocess.run(
            ["kubectl", *arguments],
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, *arguments: str, text: str | None = None) -> str:
        """Runs kubectl, which must succeed, and returns its output."""
        completed = self.kubectl(*arguments, text=text)
        assert not completed.returncode, completed.stderr
        return completed.stdout

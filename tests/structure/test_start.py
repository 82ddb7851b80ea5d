"""A command imports the modules that it needs and no others, because imports are most of a start.

The lists are those of real processes (`-X importtime`), from their start to their end.
"""

import re
import subprocess
import sys

import pytest

from ringlog.announcement import read_announcement

PACKAGES = {"common", "gateway_svc", "metadata_svc", "partition_svc", "protos", "ringlog"}

#: Modules and packages that a standalone broker does not use, and their users.
NOT_FOR_STANDALONE = {
    "common.client.append": "gateways, to reach owners over gRPC",
    "common.client.fetch": "gateways, to reach owners over gRPC",
    "common.client.groups.coordinator_client": "gateways, to reach coordinators over gRPC",
    "common.client.partitions": "gateways, to reach owners over gRPC",
    "common.etcd": "a metadata service on etcd",
    "common.kv.etcd": "a metadata service on etcd",
    "http": "programs that speak HTTP",
    "metadata_svc.election": "a metadata service on etcd",
    "multiprocessing": "programs of several processes",
    "protos.etcd": "a metadata service on etcd",
    "ringlog.cli.groups": "operators",
    "ringlog.cli.health": "health checks",
    "ringlog.cli.ring": "operators",
    "ringlog.testing": "tests of applications",
    "tomllib": "a broker with a file of settings",
    "unittest": "tests",
    "xml": "programs that read XML",
}

#: With those of Python itself. A new API adds three; a new dependency may add a hundred.
STANDALONE_MODULES_MAX = 740
#: Modules that `-m` and the command add to those of Python itself.
VERSION_MODULES_MAX = 30


#: Prints those of its arguments that are modules.
_FIND = """
import sys
from importlib.util import find_spec
print(*(name for name in sys.argv[1:] if find_spec(name)))
"""


def _python(*arguments):
    return [sys.executable, "-X", "importtime", *arguments]


def _modules(log):
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +([\w.]+)$", log, re.MULTILINE))


def _modules_of_run(*arguments):
    done = subprocess.run(_python(*arguments), capture_output=True, text=True, check=True)
    return _modules(done.stderr)


@pytest.fixture(scope="module")
def standalone(tmp_path_factory):
    """Returns the modules of a standalone broker that became ready and stopped."""
    log = tmp_path_factory.mktemp("log") / "stderr"
    addresses = ["--listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0"]
    data = ["--data-dir", str(tmp_path_factory.mktemp("data"))]
    command = _python("-m", "ringlog", "standalone", *addresses, *data)
    with (
        log.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as broker,
    ):
        try:
            assert read_announcement(broker.stdout) is not None, log.read_text()
        finally:
            broker.terminate()
    assert broker.returncode == 0
    return _modules(log.read_text())


def test_version_imports_the_command_alone():
    modules = _modules_of_run("-m", "ringlog", "version")
    own = {module for module in modules if module.split(".")[0] in PACKAGES}
    assert own == {"ringlog", "ringlog.cli", "ringlog.cli.main"}
    assert len(modules - _modules_of_run("-c", "pass")) <= VERSION_MODULES_MAX


def test_standalone_imports_what_it_serves_with(standalone):
    assert {"gateway_svc.routes", "metadata_svc.core", "partition_svc.partitions"} <= standalone
    assert {"grpc", "rocksdict", "uvloop"} <= standalone


def test_standalone_imports_nothing_that_it_does_not_use(standalone):
    unused = {
        module: user
        for name, user in NOT_FOR_STANDALONE.items()
        for module in standalone
        if module == name or module.startswith(f"{name}.")
    }
    assert not unused


def test_names_of_unused_modules_exist():
    """Otherwise a module that was renamed would be allowed again."""
    found = subprocess.run(
        [sys.executable, "-c", _FIND, *NOT_FOR_STANDALONE], capture_output=True, text=True
    )
    assert found.stdout.split() == list(NOT_FOR_STANDALONE), found.stderr


def test_standalone_imports_few_modules(standalone):
    assert len(standalone) <= STANDALONE_MODULES_MAX

"""A cluster that the tests of a module share; after a failed test the next one gets a new one."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.support.moves.partition_move import SETTINGS, restore_cluster
from tests.support.processes.cluster import Cluster

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


class _Clusters:
    """The running cluster, which is started when it is first used, and after `stop`."""

    def __init__(self, tmp_path_factory):
        self._tmp_path_factory = tmp_path_factory
        self._running = None

    def start(self):
        if self._running is None:
            folder = self._tmp_path_factory.mktemp("cluster")
            self._running = Cluster(folder, partitions=2, **SETTINGS).__enter__()
        return self._running

    def stop(self):
        if self._running is not None:
            self._running.__exit__()
        self._running = None


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    clusters = _Clusters(tmp_path_factory)
    yield clusters
    clusters.stop()


@pytest.fixture
def cluster(clusters, request):
    """Two members that are in the ring and have no logs, and a gateway."""
    running = clusters.start()
    yield running
    if _FAILED in request.node.stash:
        clusters.stop()
        return
    try:
        restore_cluster(running)
    except BaseException:
        clusters.stop()
        raise

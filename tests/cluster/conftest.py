"""One engine, one image and one cluster for all tests in this folder; failures show their logs.

They stop after the last test of the folder: health checks alone use much of a core.
"""

import uuid
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.cluster.composed import NEWCOMER, SERVICES, Composed
from tests.cluster.engine import Engine, running_engine
from tests.cluster.images import base_image, client_image, ringlog_image
from tests.cluster.inside import InsideLoad


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Composed):
                report.sections.append(("log of the cluster", value.tail()))
    return report


@pytest.fixture(scope="package")
def engine() -> Iterator[Engine]:
    with running_engine() as engine:
        yield engine


@pytest.fixture(scope="package")
def project() -> str:
    """Project name that is unique on this engine."""
    return f"ringlog-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="package")
def base(engine: Engine) -> str:
    return base_image(engine)


@pytest.fixture(scope="package")
def image(engine: Engine, base: str, project: str) -> Iterator[str]:
    with ringlog_image(engine, base=base, tag=f"{project}:latest") as tag:
        yield tag


@pytest.fixture(scope="package")
def client(engine: Engine, base: str, project: str) -> Iterator[str]:
    """Tag of the image with Kafka clients, which run in the network of the cluster."""
    with client_image(engine, base=base, tag=f"{project}-client:latest") as tag:
        yield tag


@pytest.fixture(scope="package")
def started(engine: Engine, image: str, project: str) -> Iterator[Composed]:
    """The cluster after `compose up`, maybe not ready yet."""
    cluster = Composed(engine, image=image, project=project)
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()


@pytest.fixture
def cluster(started: Composed) -> Composed:
    """The cluster with all services ready, also after a test that failed."""
    started.restore()
    return started


@pytest.fixture(scope="package")
def inside(started: Composed, client: str) -> Iterator[InsideLoad]:
    """A load on the listener INTERNAL that runs during all tests of this folder."""
    started.wait_until_ready(*SERVICES)
    with InsideLoad(started, client) as load:
        yield load


@pytest.fixture(scope="package")
def newcomer(started: Composed) -> str:
    """A fourth partition service, on a small disk; it joins in the first test that needs it."""
    started.up(NEWCOMER)
    started.wait_until_ready(NEWCOMER)
    return NEWCOMER

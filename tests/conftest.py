"""What all tests share: the log of the broker under test beside a failure, and processes."""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

from tests.support.processes.cluster import Cluster
from tests.support.processes.deployments import Deployment

# No deadline: how long an example takes says something about the machine, not about the code.
settings.register_profile("ringlog", deadline=None)
settings.load_profile("ringlog")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For `make test`, which spreads tests over processes."""
    from tests.support.spreading import ByFile

    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Deployment | Cluster):
                report.sections.append((f"log of {name}", value.tail))
    return report

"""A pytest plugin that writes the failed tests of a run, with their output, as JSON.

`-p tests.support.failure_report --failure-report FILE` makes FILE a list of objects: `test` is the
node id with the full path, `output` the traceback, captured output and logs. With pytest-xdist
only the controller writes it.
"""

import json
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--failure-report", type=Path, help="write failed tests to this file as JSON")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--failure-report")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailureReport(path, config.rootpath))


class FailureReport:
    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        self._outputs: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collects set-up, call and tear-down of each test; a test may fail in several of them."""
        if report.failed:
            sections = [f"{title}\n{text}" for title, text in report.sections]
            text = "\n".join([f"in {report.when}:", report.longreprtext, *sections])
            self._outputs.setdefault(report.nodeid, []).append(text)

    def pytest_sessionfinish(self) -> None:
        failures = [
            {"test": str(self._root / test), "output": "\n".join(texts)}
            for test, texts in self._outputs.items()
        ]
        self._path.write_text(json.dumps(failures), encoding="utf-8")

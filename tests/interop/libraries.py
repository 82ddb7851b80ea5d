"""The client libraries: how to build and run their programs, and the features that they have.

The folder of each language is copied to build/interop and built there. A program that was built
from the same sources before is not built again, so that nothing is downloaded.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.interop.program import RunningProgram
from tests.support.processes.processes import REPOSITORY
from tests.support.tools import need

_SOURCES = Path(__file__).parent
_BUILD_FOLDER = REPOSITORY / "build" / "interop"
_BUILD_WITHIN_S = 600
ALL_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Language(NamedTuple):
    folder: str
    tools: tuple[str, ...]
    steps: tuple[str, ...]

    def build(self) -> Path:
        """Builds the program and returns its folder. Skips, or fails, if a tool is missing."""
        for tool in self.tools:
            need(shutil.which(tool), tool)
        target = _BUILD_FOLDER / self.folder
        stamp, digest = target / "built", self._digest()
        # Tests run in several processes, and the first of them builds.
        with _locked(target.with_suffix(".lock")):
            if not stamp.is_file() or stamp.read_text() != digest:
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(_SOURCES / self.folder, target)
                for step in self.steps:
                    _run(step, target)
                stamp.write_text(digest)
        return target

    def _digest(self) -> str:
        sources = sorted(path for path in (_SOURCES / self.folder).rglob("*") if path.is_file())
        content = b"".join(path.read_bytes() for path in sources) + repr(self.steps).encode()
        return hashlib.sha256(content).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock on the file `path` that excludes other processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(step: str, folder: Path) -> None:
    completed = subprocess.run(
        step.split(),
        cwd=folder,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=_BUILD_WITHIN_S,
        check=False,
    )
    assert completed.returncode == 0, f"{step}\n{completed.stdout}\n{completed.stderr}"


JAVA = Language(
    "java",
    ("java", "javac", "mvn"),
    (
        "mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
        " -DoutputDirectory=lib",
        "javac -d classes -cp lib/* Interop.java Admins.java",
    ),
)
GO = Language("go", ("go",), ("go build -buildvcs=false -o bin/ ./franz ./sarama",))
NODE = Language("node", ("node", "npm"), ("npm ci --no-audit --no-fund",))


class Library(NamedTuple):
    """A client library; `command` runs in the folder in which its language was built."""

    name: str
    language: Language
    command: str
    codecs: tuple[str, ...] = ALL_CODECS
    assignors: tuple[str, ...] = ("range",)
    has_static_members: bool = True
    #: Warnings and errors that it logs although nothing is wrong.
    expected_complaints: str = "$^"

    def start(self, *arguments: str) -> RunningProgram:
        folder = self.language.build()
        command = self.command.format(folder=folder).split()
        return RunningProgram([*command, *arguments])


#: The serial collector and the fast compiler halve the CPU time of short programs.
_JVM = "java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn"

LIBRARIES = (
    Library(
        "kafka-clients",
        JAVA,
        _JVM + " -cp {folder}/classes:{folder}/lib/* Interop",
        # "consumer" is not an assignor but the protocol in which the broker assigns (KIP-848).
        assignors=("range", "cooperative-sticky", "consumer"),
    ),
    Library("franz-go", GO, "{folder}/bin/franz", assignors=("range", "cooperative-sticky")),
    Library(
        "sarama", GO, "{folder}/bin/sarama", expected_complaints="Err:kafka server: Not an error"
    ),
    Library(
        "kafkajs",
        NODE,
        "node {folder}/interop.js",
        codecs=("none", "gzip", "snappy"),
        assignors=("its own",),
        has_static_members=False,
        expected_complaints="rebalanc",
    ),
)
#: Libraries whose assignor "range" has the same name and meaning.
RANGE_LIBRARIES = LIBRARIES[:3]

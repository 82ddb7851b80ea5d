"""The client libraries: how their programs are built, how they run, and what each can do.

Each language's folder is copied to build/interop and built there, unless it was built from the same
sources before; then nothing is downloaded.
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
_BUILT = REPOSITORY / "build" / "interop"
_BUILD_WITHIN_S = 600
ALL_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Language(NamedTuple):
    folder: str
    tools: tuple[str, ...]
    steps: tuple[str, ...]

    def build(self) -> Path:
        """Folder of the built program. Skips, or fails, if a tool is missing."""
        for tool in self.tools:
            need(shutil.which(tool), tool)
        target = _BUILT / self.folder
        stamp, state = target / "built", self._state()
        # Tests run in several processes, and the first of them builds.
        with _alone(target.with_suffix(".lock")):
            if not stamp.is_file() or stamp.read_text() != state:
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(_SOURCES / self.folder, target)
                for step in self.steps:
                    _run(step, target)
                stamp.write_text(state)
        return target

    def _state(self) -> str:
        sources = sorted(path for path in (_SOURCES / self.folder).rglob("*") if path.is_file())
        content = b"".join(path.read_bytes() for path in sources) + repr(self.steps).encode()
        return hashlib.sha256(content).hexdigest()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keeps other processes out that use the same file for it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _run(step: str, folder: Path) -> None:
    done = subprocess.run(
        step.split(),
        cwd=folder,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=_BUILD_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"


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
    """`command` runs in the folder where its language is built."""

    name: str
    language: Language
    command: str
    codecs: tuple[str, ...] = ALL_CODECS
    assignors: tuple[str, ...] = ("range",)
    has_static_members: bool = True
    #: What it logs like a complaint where all is well.
    noise: str = "$^"

    def start(self, *arguments: str) -> RunningProgram:
        folder = self.language.build()
        command = self.command.format(folder=folder).split()
        return RunningProgram([*command, *arguments])


#: One thread for collecting and the quick compiler: half the processor time for short programs.
_JVM = "java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn"

LIBRARIES = (
    Library(
        "kafka-clients",
        JAVA,
        _JVM + " -cp {folder}/classes:{folder}/lib/* Interop",
        # "consumer" is no assignor but the protocol in which the broker assigns (KIP-848).
        assignors=("range", "cooperative-sticky", "consumer"),
    ),
    Library("franz-go", GO, "{folder}/bin/franz", assignors=("range", "cooperative-sticky")),
    Library("sarama", GO, "{folder}/bin/sarama", noise="Err:kafka server: Not an error"),
    Library(
        "kafkajs",
        NODE,
        "node {folder}/interop.js",
        codecs=("none", "gzip", "snappy"),
        assignors=("its own",),
        has_static_members=False,
        noise="rebalanc",
    ),
)
#: Those whose assignor "range" has the same name and meaning.
SHARING = LIBRARIES[:3]

"""The image under test, and one with a Kafka client in it, both built from this checkout."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker.errors import BuildError, ImageNotFound

from tests.cluster.engine import Engine
from tests.support.processes.processes import REPOSITORY

_OFFICIAL = "python:3.13-slim"
_STAND_IN = "ringlog-test/python:3.13-slim"
_MAKE_STAND_IN = Path(__file__).with_name("base_image.sh")

#: Real clients, and the load and the checker that the tests of this repository share.
_CLIENT = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY constraints.txt ./
RUN python -m venv /opt/client \\
 && /opt/client/bin/pip install --no-cache-dir --constraint constraints.txt confluent-kafka
COPY tests /opt/tests/tests
ENV PYTHONPATH=/opt/tests PYTHONUNBUFFERED=1 PATH=/opt/client/bin:$PATH
"""
_CLIENT_FILES = ("constraints.txt", "tests/support", "tests/cluster/load_inside.py")


def base_image(engine: Engine) -> str:
    """BASE_IMAGE where it is set; else the official one, or a stand-in where that is not here.

    Nothing is asked of a registry unless there is no other way.
    """
    given = os.environ.get("BASE_IMAGE")
    if given:
        return given
    for name in (_OFFICIAL, _STAND_IN):
        if _has(engine, name):
            return name
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        return _OFFICIAL
    subprocess.run([_MAKE_STAND_IN, _STAND_IN], check=True, env=engine.environment)
    return _STAND_IN


@contextmanager
def ringlog_image(engine: Engine, *, base: str, tag: str) -> Iterator[str]:
    """The Dockerfile's image under `tag`."""
    _build(engine, tag, path=str(REPOSITORY), buildargs={"BASE_IMAGE": base})
    try:
        yield tag
    finally:
        engine.client.images.remove(tag, force=True)


@contextmanager
def client_image(engine: Engine, *, base: str, tag: str) -> Iterator[str]:
    """An image that can run `python -m tests.cluster.load_inside`, under `tag`."""
    context = _context({"Dockerfile": _CLIENT.encode()}, _CLIENT_FILES)
    _build(engine, tag, fileobj=context, custom_context=True, buildargs={"BASE_IMAGE": base})
    try:
        yield tag
    finally:
        engine.client.images.remove(tag, force=True)


def _has(engine: Engine, name: str) -> bool:
    try:
        engine.client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _build(engine: Engine, tag: str, **source: object) -> None:
    try:
        # The host's network: an engine of our own has no other.
        engine.client.images.build(tag=tag, rm=True, forcerm=True, network_mode="host", **source)
    except BuildError as error:
        said = [line.get("stream") or line.get("error") or "" for line in error.build_log]
        raise AssertionError("".join(said[-40:])) from error


def _context(texts: dict[str, bytes], paths: tuple[str, ...]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
        for path in paths:
            archive.add(REPOSITORY / path, path, filter=_without_caches)
    buffer.seek(0)
    return buffer


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member

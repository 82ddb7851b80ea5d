"""The image under test and an image with a Kafka client, both built from this checkout."""

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

#: A Kafka client, with the load and the checker of tests/support.
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
    """Returns BASE_IMAGE if it is set, else the official image or a stand-in, if either is local.

    Otherwise builds the stand-in; downloads the official image only if that is impossible.
    """
    configured = os.environ.get("BASE_IMAGE")
    if configured:
        return configured
    for name in (_OFFICIAL, _STAND_IN):
        if _has(engine, name):
            return name
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        return _OFFICIAL
    subprocess.run([_MAKE_STAND_IN, _STAND_IN], check=True, env=engine.environment)
    return _STAND_IN


@contextmanager
def ringlog_image(engine: Engine, *, base: str, tag: str) -> Iterator[str]:
    """Builds the image of the Dockerfile under `tag`; removes it at the end."""
    _build(engine, tag, path=str(REPOSITORY), buildargs={"BASE_IMAGE": base})
    try:
        yield tag
    finally:
        engine.client.images.remove(tag, force=True)


@contextmanager
def client_image(engine: Engine, *, base: str, tag: str) -> Iterator[str]:
    """Builds an image under `tag` that can run `python -m tests.cluster.load_inside`."""
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
        # An engine that the tests started has only the host's network.
        engine.client.images.build(tag=tag, rm=True, forcerm=True, network_mode="host", **source)
    except BuildError as error:
        lines = [line.get("stream") or line.get("error") or "" for line in error.build_log]
        raise AssertionError("".join(lines[-40:])) from error


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

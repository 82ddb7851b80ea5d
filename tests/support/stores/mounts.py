"""Volumes that are mounted and taken away, for tests that run as root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tools import need


@contextmanager
def mounted(path: Path, *what: str) -> Iterator[None]:
    """Has `path` lead to a volume; `what` are the arguments of mount(8) before it.

    It is unmounted lazily at the end, as a node does under a pod that keeps running.
    """
    need(os.geteuid() == 0, "root")
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *what, str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextmanager
def bound(volume: Path, path: Path) -> Iterator[None]:
    """Has `path` lead to the directory `volume`."""
    volume.mkdir(exist_ok=True)
    with mounted(path, "--bind", str(volume)):
        yield


@contextmanager
def small_disk(path: Path, size_bytes: int) -> Iterator[None]:
    """Has `path` lead to an empty disk of that size."""
    with mounted(path, "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs"):
        yield

"""Volumes that tests mount and unmount; needs root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tools import need


@contextmanager
def mounted(path: Path, *arguments: str) -> Iterator[None]:
    """Mounts a volume on `path`; `arguments` are those of mount(8) before the path.

    Unmounts it lazily at the end, as a Kubernetes node does under a pod that keeps running.
    """
    need(os.geteuid() == 0, "root")
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *arguments, str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextmanager
def bound(volume: Path, path: Path) -> Iterator[None]:
    """Mounts the directory `volume` on `path`."""
    volume.mkdir(exist_ok=True)
    with mounted(path, "--bind", str(volume)):
        yield


@contextmanager
def small_disk(path: Path, size_bytes: int) -> Iterator[None]:
    """Mounts an empty disk of that size on `path`."""
    with mounted(path, "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs"):
        yield

"""Describes where the numbers come from: processor, kernel, file system, versions."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("grpcio", "protobuf", "rocksdict", "uvloop", "crc32c")


def describe(data_directory: Path) -> dict[str, str]:
    """Words for each property. `data_directory` is where the broker keeps its data."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": _file_system(data_directory),
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
    }


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _file_system(directory: Path) -> str:
    """Type of the file system that `directory` is on: that of the longest mount point above it."""
    mounts = (line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines())
    path = directory.resolve()
    above = [(point, kind) for point, kind in mounts if path.is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1]

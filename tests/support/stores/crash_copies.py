"""Copies of a data directory as a process killed now would leave it."""

import shutil
from pathlib import Path


def copy_open_store(source: Path, target: Path) -> None:
    """Copies an open store, to be opened by another process.

    Nothing may be written meanwhile. Starts again if RocksDB removes a file during the copy.
    """
    while True:
        try:
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("LOCK"))
        except shutil.Error:
            shutil.rmtree(target)
        else:
            return

"""What a process that is killed now would leave of its data directory."""

import shutil
from pathlib import Path


def copied(source: Path, target: Path) -> None:
    """All of an open store as it is at one time, to be opened by somebody else.

    Nobody may write meanwhile. Begun again where RocksDB tidies a file up while it is copied.
    """
    while True:
        try:
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("LOCK"))
        except shutil.Error:
            shutil.rmtree(target)
        else:
            return

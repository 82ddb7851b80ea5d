"""pytest-xdist scheduling: file by file, in the order of the files.

The tests of a file share the processes that they start. The tests of `cluster/` share one engine
and one cluster in all files, so they stay in one process too.
"""

from pathlib import PurePosixPath
from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Folders whose tests stay in one process.
TOGETHER: Final = frozenset({"tests/cluster"})


class ByFile(LoadScopeScheduling):
    """Assigns the next file to each worker that is done."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        # Otherwise large files come first, and the few but long tests of the cluster come last.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        folder = PurePosixPath(file).parent.as_posix()
        return folder if folder in TOGETHER else file

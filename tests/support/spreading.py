"""pytest-xdist scheduling: file by file, in the order of the files.

The tests of a file share what they start. Those of `cluster/` share one engine and one cluster
over all their files, and stay together too.
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
        # Largest first would leave the cluster, few tests that take long, for the end.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        folder = PurePosixPath(file).parent.as_posix()
        return folder if folder in TOGETHER else file

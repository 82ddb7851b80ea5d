"""SST files with blocks that fail their checksums (bit rot), as errors have reported them.

RocksDB accepts no writes after a compaction has read such a block, and after the next opening the
next compaction would read it again. So known damaged files are not rewritten, and a family in which
an automatic compaction failed is not compacted automatically any more. Reads of other blocks and
appends are not affected.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from partition_svc.store.keys import BATCHES, COMPACTED_BATCHES

log = logging.getLogger(__name__)

DEFAULT_FAMILY: Final = "default"

_DAMAGED: Final = re.compile(r"Corruption: .*?([0-9]{6,}[.]sst)")


class Damage:
    """Known damage of one data directory. It is not stored: errors report it again."""

    def __init__(self) -> None:
        #: Names of files, without a folder.
        self.files: set[str] = set()
        #: Names of column families without automatic compaction.
        self.families: set[str] = set()
        self._met_by_compaction: set[str] = set()

    def note(self, error: str, *, by_compaction: bool) -> None:
        """Records the file that a checksum error names.

        `by_compaction`: a write failed because of a compaction before it.
        """
        found = _DAMAGED.search(error)
        if found is None:
            return
        name = found[1]
        if name not in self.files:
            self.files.add(name)
            log.error("the file %s is damaged; it will not be rewritten: %s", name, error)
        if by_compaction:
            self._met_by_compaction.add(name)

    def find_families(self, live_files: Iterable[Mapping[str, Any]]) -> None:
        """Finds the families of damaged files that compactions have read."""
        for file in live_files:
            if _name(file) in self._met_by_compaction:
                self.families.add(_family(file["start_key"]))

    def generations(self, live_files: Sequence[Mapping[str, Any]]) -> list[range]:
        """Ranges of generations (with `COMPACTED_BIT`) whose rewriting would read a damaged file.

        These are the damaged files of batches, all files that overlap them, and so on: tombstones
        written before the damage was known may span many generations.
        """
        batches = [file for file in live_files if _family(file["start_key"]) != DEFAULT_FAMILY]
        found = [_generations(file) for file in batches if _name(file) in self.files]
        others = [_generations(file) for file in batches if _name(file) not in self.files]
        for damaged in found:
            # `found` grows during the loop.
            near = [other for other in others if _overlap(other, damaged)]
            found += near
            others = [other for other in others if other not in near]
        return found


def _name(file: Mapping[str, Any]) -> str:
    name: str = file["name"]
    return name.strip("/")


def _generations(file: Mapping[str, Any]) -> range:
    first, last = (int.from_bytes(file[key][:4], "big") for key in ("start_key", "end_key"))
    return range(first, last + 1)


def _overlap(first: range, second: range) -> bool:
    return first.start < second.stop and second.start < first.stop


def _family(key: bytes) -> str:
    """Column family of a key: keys of state begin with a letter, which generations never reach."""
    if key[:1] >= b"\x80":
        return COMPACTED_BATCHES
    return DEFAULT_FAMILY if key[:1] >= b"A" else BATCHES

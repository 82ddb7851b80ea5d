"""SST files with blocks that fail their checksums (bit rot), as far as errors have told.

RocksDB takes no write after a compaction has met such a block, and after the next opening the next
compaction would meet it again. So files that are known to be damaged are not rewritten, and where a
compaction that RocksDB began by itself met one, that family is not compacted by RocksDB any more.
Reads of other blocks, and appends, are as before.
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
    """What is known of one data directory. Nothing of it is stored: errors tell it again."""

    def __init__(self) -> None:
        #: Names of files, without a folder.
        self.files: set[str] = set()
        #: Names of column families that RocksDB must not compact by itself.
        self.families: set[str] = set()
        self._met_by_compaction: set[str] = set()

    def note(self, error: str, *, by_compaction: bool) -> None:
        """Notes the file that an error names, where its blocks failed their checksums.

        `by_compaction`: a write was refused, for the sake of the compaction before it.
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
        """Finds the families of the files that compactions have met."""
        for one in live_files:
            if _name(one) in self._met_by_compaction:
                self.families.add(_family(one["start_key"]))

    def generations(self, live_files: Sequence[Mapping[str, Any]]) -> list[range]:
        """First to last generation, with `COMPACTED_BIT`, of what RocksDB would rewrite with them.

        That is the damaged files of batches, all that overlap these, and so on: tombstones that
        were written before it was known may span many generations.
        """
        batches = [one for one in live_files if _family(one["start_key"]) != DEFAULT_FAMILY]
        found = [_generations(one) for one in batches if _name(one) in self.files]
        others = [_generations(one) for one in batches if _name(one) not in self.files]
        for damaged in found:
            # It grows meanwhile.
            near = [one for one in others if _overlap(one, damaged)]
            found += near
            others = [one for one in others if one not in near]
        return found


def _name(file: Mapping[str, Any]) -> str:
    name: str = file["name"]
    return name.strip("/")


def _generations(file: Mapping[str, Any]) -> range:
    first, last = (int.from_bytes(file[key][:4], "big") for key in ("start_key", "end_key"))
    return range(first, last + 1)


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _family(key: bytes) -> str:
    """Keys of state begin with a letter; generations do not come that far."""
    if key[:1] >= b"\x80":
        return COMPACTED_BATCHES
    return DEFAULT_FAMILY if key[:1] >= b"A" else BATCHES

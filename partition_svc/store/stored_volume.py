"""The volume state of a data directory: tokens, applied metadata, and the last shutdown. One row.

*Tokens* tell the newest state of a directory from copies of an older one. Each opening adds a
token, and while there are writes a new one is added every few seconds. A token is durable here
before the metadata service receives it, and older ones are dropped only after that has recorded it.
So wherever either side crashes, the token recorded by the metadata service is one of those here; a
copy taken before the token was created does not have it.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

#: Maximum of tokens; further openings that never reach the metadata service share the last.
TOKENS_MAX: Final = 16

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class StoredVolume:
    """See `VolumeState` of the metadata port for the fields that are part of a registration.

    `boot_id`: boot of the operating system in which the directory was opened last;
    `is_closed`: that process synced everything and closed it.
    """

    tokens: tuple[str, ...] = ()
    applied_revision: int = -1
    leader_epoch: int = -1
    move_id: int = 0
    may_lack_records: bool = False
    boot_id: str = ""
    is_closed: bool = True

    def pack(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, row: bytes) -> "StoredVolume":
        fields = json.loads(row)
        return cls(**{**fields, "tokens": tuple(fields["tokens"])})

    def opened(self, boot_id: str) -> "StoredVolume":
        """The state after one more opening.

        Unsynced writes survive the process but not the operating system: records may be missing if
        the machine was rebooted and the directory had not been closed.
        """
        is_same_boot = bool(boot_id) and boot_id == self.boot_id
        return replace(
            self.with_token(),
            may_lack_records=self.may_lack_records or not (self.is_closed or is_same_boot),
            boot_id=boot_id,
            is_closed=False,
        )

    def with_token(self) -> "StoredVolume":
        """The state with a new token, which the metadata service has to record."""
        if len(self.tokens) >= TOKENS_MAX:
            return self
        return replace(self, tokens=(*self.tokens, uuid4().hex))

    def recorded(self, token: str) -> "StoredVolume":
        """The state without the tokens before the one that the metadata service has recorded."""
        if token not in self.tokens:
            return self
        return replace(self, tokens=self.tokens[self.tokens.index(token) :])


def current_boot_id() -> str:
    """The kernel's boot id; empty if unknown, so that every unclean shutdown counts."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""

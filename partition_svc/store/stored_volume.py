"""What a data directory remembers of the metadata, and how its last process ended: one row.

*Tokens* tell the newest state of a directory from copies of an older one. Each opening adds a
token, and while there are writes a new one is added every few seconds. A token is durable here
before the metadata service hears of it, and older ones are dropped only after that has recorded it.
So wherever either side crashes, the token that the metadata service knows is one of those here; a
copy that was taken before the token was made does not have it.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

#: Openings that never reach the metadata service add tokens up to so many, then share the last.
TOKENS_MAX: Final = 16

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class StoredVolume:
    """See `VolumeState` of the metadata port for the fields that are part of a registration.

    `boot_id` names the run of the operating system in which the directory was opened last;
    `is_closed`: that process wrote everything and closed it.
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

        What was written and not synced survives the process, but not the operating system: records
        may be missing where that was started anew and the directory was not closed.
        """
        is_same_boot = bool(boot_id) and boot_id == self.boot_id
        return replace(
            self.with_token(),
            may_lack_records=self.may_lack_records or not (self.is_closed or is_same_boot),
            boot_id=boot_id,
            is_closed=False,
        )

    def with_token(self) -> "StoredVolume":
        """With a new token to be recorded by the metadata service."""
        if len(self.tokens) >= TOKENS_MAX:
            return self
        return replace(self, tokens=(*self.tokens, uuid4().hex))

    def recorded(self, token: str) -> "StoredVolume":
        """Without the tokens before one that the metadata service has recorded."""
        if token not in self.tokens:
            return self
        return replace(self, tokens=self.tokens[self.tokens.index(token) :])


def current_boot_id() -> str:
    """Empty where the operating system does not tell: every unclean end counts then."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""

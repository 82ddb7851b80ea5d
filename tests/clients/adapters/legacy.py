"""kafka-python 2.0 and 1.4, configured for a broker of version 0.8.2 or 0.10.

They have the same module name as the current release, so each call runs `legacy_program.py` in a
process whose PYTHONPATH has the old release first.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.clients.adapters.client import WITHIN_S
from tests.support.wire.records import Header, Read, Record

#: Folder into which `make` installs the old releases.
LEGACY_FOLDER = Path(sys.prefix) / "legacy-clients"
_PROGRAM = Path(__file__).with_name("legacy_program.py")


class LegacyClient:
    """A client of `release`, a folder in LEGACY_FOLDER, with its setting `api_version`."""

    def __init__(self, release: str, api_version: Sequence[int] | None) -> None:
        self._folder = LEGACY_FOLDER / release
        self._api_version = api_version
        mode = "probing" if api_version is None else "for-" + ".".join(map(str, api_version))
        self.name = f"{release}-{mode}"
        # LZ4 frames of magic 0 have a wrong checksum, which only old clients accept (KIP-57).
        self.codecs = ("none", "gzip", "snappy", "lz4")

    @property
    def is_installed(self) -> bool:
        return (self._folder / "kafka").is_dir()

    def produce(
        self,
        address: str,
        topic: str,
        records: Sequence[Record],
        *,
        partition: int = 0,
        codec: str = "none",
        acks: int = -1,
        idempotent: bool = False,
    ) -> list[int]:
        assert not idempotent
        offsets: list[int] = self._call(
            "produce",
            address,
            topic=topic,
            partition=partition,
            codec=codec,
            acks=acks,
            records=[
                [_text(record.key), _text(record.value), record.timestamp_ms, _headers(record)]
                for record in records
            ],
        )
        return offsets

    def consume(
        self, address: str, topic: str, *, count: int, offset: int = 0, partition: int = 0
    ) -> list[Read]:
        records = self._call(
            "consume", address, topic=topic, partition=partition, offset=offset, count=count
        )
        return [
            Read(at, Record(_bytes(value), _bytes(key), _read_headers(headers), timestamp_ms))
            for at, key, value, timestamp_ms, headers in records
        ]

    def offset_for_time(
        self, address: str, topic: str, timestamp_ms: int, *, partition: int = 0
    ) -> int | None:
        found: int | None = self._call(
            "offset_for_time",
            address,
            topic=topic,
            partition=partition,
            timestamp_ms=timestamp_ms,
        )
        return found

    def bounds(self, address: str, topic: str, *, partition: int = 0) -> tuple[int, int]:
        low, high = self._call("bounds", address, topic=topic, partition=partition)
        return low, high

    def topics(self, address: str) -> list[str]:
        names: list[str] = self._call("topics", address)
        return names

    def _call(self, action: str, address: str, **arguments: object) -> Any:
        request = {
            "action": action,
            "address": address,
            "api_version": self._api_version,
            "within_s": WITHIN_S,
            **arguments,
        }
        completed = subprocess.run(
            [sys.executable, str(_PROGRAM)],
            input=json.dumps(request),
            env={**os.environ, "PYTHONPATH": str(self._folder)},
            capture_output=True,
            text=True,
            timeout=2 * WITHIN_S,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr
        return json.loads(completed.stdout)


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _headers(record: Record) -> list[list[str | None]]:
    return [[key, _text(value)] for key, value in record.headers]


def _read_headers(headers: list[list[Any]]) -> tuple[Header, ...]:
    return tuple(Header(key, _bytes(value)) for key, value in headers)

"""Interface of Kafka clients in tests, so that the same test runs with each of them."""

from collections.abc import Sequence
from typing import Protocol

from tests.support.wire.records import Read, Record

#: Timeout of every wait of a client. No test measures it.
WITHIN_S = 60.0
ALL_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Client(Protocol):
    """One client library (or program). `address` is the bootstrap server, "host:port"."""

    name: str
    codecs: Sequence[str]

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
        """Returns the offsets in the order of the records; each is -1 with acks 0."""
        ...

    def consume(
        self, address: str, topic: str, *, count: int, offset: int = 0, partition: int = 0
    ) -> list[Read]:
        """Returns `count` records from `offset` on, read without a consumer group."""
        ...

    def offset_for_time(
        self, address: str, topic: str, timestamp_ms: int, *, partition: int = 0
    ) -> int | None:
        """Returns the first offset whose record is not older; None if there is none."""
        ...

    def bounds(self, address: str, topic: str, *, partition: int = 0) -> tuple[int, int]:
        """Returns the first offset, and the one after the last."""
        ...

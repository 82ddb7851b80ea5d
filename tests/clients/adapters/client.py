"""Interface of a Kafka client in tests, so that the same test runs with every one of them."""

from collections.abc import Sequence
from typing import Protocol

from tests.support.wire.records import Read, Record

#: A bound on everything a client waits for. Never a measure.
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
        """Offsets, in the order of the records; -1 each with acks 0, which returns none."""
        ...

    def consume(
        self, address: str, topic: str, *, count: int, offset: int = 0, partition: int = 0
    ) -> list[Read]:
        """`count` records from `offset` on, by assignment: without a consumer group."""
        ...

    def offset_for_time(
        self, address: str, topic: str, timestamp_ms: int, *, partition: int = 0
    ) -> int | None:
        """The first offset whose record is not older; None where there is none."""
        ...

    def bounds(self, address: str, topic: str, *, partition: int = 0) -> tuple[int, int]:
        """The first offset, and the one after the last."""
        ...

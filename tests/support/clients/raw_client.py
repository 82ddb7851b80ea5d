"""Direct requests of tests to a broker, without a client library: one call, one request.

Versions are the newest that use names of topics, not ids. Errors are returned, never retried.
"""

import time
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.support.wire.batches import batch_offsets, split_batches
from tests.support.wire.kafka_socket import KafkaSocket
from tests.support.wire.kio_client import ask

PRODUCE, FETCH, LIST_OFFSETS, METADATA, API_VERSIONS = 0, 1, 2, 3, 18
CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH = 19, 20, 22, 23
DESCRIBE_CONFIGS, DESCRIBE_CLUSTER = 32, 60

LATEST, EARLIEST = -1, -2
ADMIN_TIMEOUT_MS = 30_000


class Produced(NamedTuple):
    error_code: int
    base_offset: int


class Fetched(NamedTuple):
    error_code: int
    high_watermark: int
    batches: list[bytes]

    @property
    def offsets(self) -> list[int]:
        return [offset for batch in self.batches for offset in batch_offsets(batch)]


class ProducerId(NamedTuple):
    producer_id: int
    epoch: int


class RawClient(KafkaSocket):
    """One connection with a method for each request."""

    def create_topic(
        self,
        *,
        name: str | None = None,
        partitions: int = 1,
        configs: Mapping[str, str] | None = None,
    ) -> str:
        """Creates a topic and returns its name, a new one by default. Fails if it is refused."""
        name = name or f"topic-{uuid.uuid4().hex[:12]}"
        configs = configs or {}
        new_topic = {
            "name": name,
            "num_partitions": partitions,
            "replication_factor": 1,
            "assignments": [],
            "configs": [{"name": key, "value": value} for key, value in configs.items()],
        }
        values = {"topics": [new_topic], "timeout": ADMIN_TIMEOUT_MS, "validate_only": False}
        (created,) = ask(self, CREATE_TOPICS, 7, values).topics
        assert created.error_code == 0, (created.error_code, created.error_message)
        return name

    def delete_topic(self, name: str) -> int:
        values = {"topic_names": [name], "timeout": ADMIN_TIMEOUT_MS}
        return ask(self, DELETE_TOPICS, 5, values).responses[0].error_code

    def topic_id(self, name: str) -> uuid.UUID:
        return self.metadata(name).topics[0].topic_id

    def metadata(self, *names: str, create: bool = False) -> Any:
        """Sends Metadata for these topics, or for all topics."""
        topics = [{"topic_id": None, "name": name} for name in names] or None
        values = {
            "topics": topics,
            "allow_auto_topic_creation": create,
            "include_topic_authorized_operations": False,
        }
        return ask(self, METADATA, 12, values)

    def produce(self, topic: str, batch: bytes, *, partition: int = 0, acks: int = -1) -> Produced:
        data = {"name": topic, "partition_data": [{"index": partition, "records": batch}]}
        values = {"transactional_id": None, "acks": acks, "timeout": 30_000, "topic_data": [data]}
        (topic_response,) = ask(self, PRODUCE, 9, values).responses
        result = topic_response.partition_responses[0]
        return Produced(int(result.error_code), result.base_offset)

    def fetch(
        self,
        topic: str,
        offset: int,
        *,
        partition: int = 0,
        max_wait_ms: int = 0,
        min_bytes: int = 1,
        max_bytes: int = 50 << 20,
    ) -> Fetched:
        requested = {
            "partition": partition,
            "fetch_offset": offset,
            "partition_max_bytes": max_bytes,
        }
        values = {
            "max_wait": max_wait_ms,
            "min_bytes": min_bytes,
            "max_bytes": max_bytes,
            "topics": [{"topic": topic, "partitions": [requested]}],
            "forgotten_topics_data": [],
        }
        (topic_response,) = ask(self, FETCH, 12, values).responses
        result = topic_response.partitions[0]
        return Fetched(
            int(result.error_code), result.high_watermark, split_batches(result.records or b"")
        )

    def fetch_all(self, topic: str, *, partition: int = 0) -> list[bytes]:
        """Returns all batches from the beginning to the high watermark."""
        batches: list[bytes] = []
        offset = self.offset_at(topic, EARLIEST, partition=partition)
        while True:
            fetched = self.fetch(topic, offset, partition=partition)
            assert fetched.error_code == 0, fetched.error_code
            if not fetched.batches:
                assert offset == fetched.high_watermark
                return batches
            batches += fetched.batches
            offset = batch_offsets(fetched.batches[-1]).stop

    def offset_at(self, topic: str, timestamp: int, *, partition: int = 0) -> int:
        """Returns the offset of a time in ms, or of LATEST or EARLIEST; -1: none."""
        requested = {"partition_index": partition, "timestamp": timestamp}
        values = {
            "replica_id": -1,
            "isolation_level": 0,
            "topics": [{"name": topic, "partitions": [requested]}],
        }
        (topic_response,) = ask(self, LIST_OFFSETS, 7, values).topics
        result = topic_response.partitions[0]
        assert result.error_code == 0, result.error_code
        return result.offset

    def init_producer_id(self) -> ProducerId:
        values = {"transactional_id": None, "transaction_timeout": 60_000}
        response = ask(self, INIT_PRODUCER_ID, 4, values)
        assert response.error_code == 0, response.error_code
        return ProducerId(response.producer_id, response.producer_epoch)


def could_create_topics(address: str) -> bool:
    """True if the gateway reaches metadata and logs; creates nothing. Raises OSError."""
    new_topic = {
        "name": "not-created",
        "num_partitions": 1,
        "replication_factor": 1,
        "assignments": [],
        "configs": [],
    }
    values = {"topics": [new_topic], "timeout": ADMIN_TIMEOUT_MS, "validate_only": True}
    with KafkaSocket(address) as connection:
        (topic_response,) = ask(connection, CREATE_TOPICS, 4, values).topics
    return bool(topic_response.error_code == 0)


def now_ms() -> int:
    return int(time.time() * 1000)

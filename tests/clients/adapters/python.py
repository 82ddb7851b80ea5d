"""kafka-python, current release: the pure Python client."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.clients.adapters.client import ALL_CODECS, WITHIN_S
from tests.support.wire.records import Header, Read, Record


class PythonClient:
    name = "kafka-python"
    codecs = ALL_CODECS

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
        producer = KafkaProducer(
            bootstrap_servers=address,
            compression_type=None if codec == "none" else codec,
            acks="all" if acks == -1 else acks,
            enable_idempotence=idempotent,
            max_request_size=10_000_000,
            linger_ms=5,
        )
        try:
            futures = [
                producer.send(
                    topic,
                    value=record.value,
                    key=record.key,
                    partition=partition,
                    timestamp_ms=record.timestamp_ms,
                    headers=[(key, value) for key, value in record.headers],
                )
                for record in records
            ]
            offsets = [future.get(timeout=WITHIN_S).offset for future in futures]
        finally:
            producer.close(timeout=WITHIN_S)
        return [-1] * len(offsets) if acks == 0 else offsets

    def consume(
        self, address: str, topic: str, *, count: int, offset: int = 0, partition: int = 0
    ) -> list[Read]:
        target = TopicPartition(topic, partition)
        messages: list[Any] = []
        with _consumer(address) as consumer:
            consumer.assign([target])
            consumer.seek(target, offset)
            deadline = time.monotonic() + WITHIN_S
            while len(messages) < count:
                assert time.monotonic() < deadline, f"{len(messages)} of {count} records"
                polled = consumer.poll(timeout_ms=1000, max_records=count - len(messages))
                messages += polled.get(target, [])
        return [_read(message) for message in messages]

    def offset_for_time(
        self, address: str, topic: str, timestamp_ms: int, *, partition: int = 0
    ) -> int | None:
        target = TopicPartition(topic, partition)
        with _consumer(address) as consumer:
            found = consumer.offsets_for_times({target: timestamp_ms})[target]
            return None if found is None else found.offset

    def bounds(self, address: str, topic: str, *, partition: int = 0) -> tuple[int, int]:
        target = TopicPartition(topic, partition)
        with _consumer(address) as consumer:
            low = consumer.beginning_offsets([target])[target]
            return low, consumer.end_offsets([target])[target]


@contextmanager
def _consumer(address: str) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=None, auto_offset_reset="none")
    try:
        yield consumer
    finally:
        consumer.close()


def _read(message: Any) -> Read:
    headers = tuple(Header(key, value) for key, value in message.headers)
    return Read(message.offset, Record(message.value, message.key, headers, message.timestamp))

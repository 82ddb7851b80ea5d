"""aiokafka: asyncio, record codec in Cython."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.clients.adapters.client import ALL_CODECS, WITHIN_S
from tests.support.wire.records import Header, Read, Record

T = TypeVar("T")


class AioClient:
    name = "aiokafka"
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
        async def send() -> list[int]:
            async with AIOKafkaProducer(
                bootstrap_servers=address,
                compression_type=None if codec == "none" else codec,
                acks=acks,
                enable_idempotence=idempotent,
                max_request_size=10_000_000,
                linger_ms=5,
            ) as producer:
                futures = [
                    await producer.send(
                        topic,
                        value=record.value,
                        key=record.key,
                        partition=partition,
                        timestamp_ms=record.timestamp_ms,
                        headers=[(key, value) for key, value in record.headers],
                    )
                    for record in records
                ]
                results = await asyncio.gather(*futures)
            return [-1 if acks == 0 else result.offset for result in results]

        return _run(send())

    def consume(
        self, address: str, topic: str, *, count: int, offset: int = 0, partition: int = 0
    ) -> list[Read]:
        async def read() -> list[Read]:
            async with _consumer(address) as consumer:
                target = TopicPartition(topic, partition)
                consumer.assign([target])
                consumer.seek(target, offset)
                return [_read(await consumer.getone()) for _ in range(count)]

        return _run(read())

    def offset_for_time(
        self, address: str, topic: str, timestamp_ms: int, *, partition: int = 0
    ) -> int | None:
        async def look_up() -> int | None:
            target = TopicPartition(topic, partition)
            async with _consumer(address) as consumer:
                found = (await consumer.offsets_for_times({target: timestamp_ms}))[target]
                return None if found is None else found.offset

        return _run(look_up())

    def bounds(self, address: str, topic: str, *, partition: int = 0) -> tuple[int, int]:
        async def look_up() -> tuple[int, int]:
            target = TopicPartition(topic, partition)
            async with _consumer(address) as consumer:
                low = (await consumer.beginning_offsets([target]))[target]
                return low, (await consumer.end_offsets([target]))[target]

        return _run(look_up())


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, WITHIN_S))


@asynccontextmanager
async def _consumer(address: str) -> AsyncIterator[AIOKafkaConsumer]:
    async with AIOKafkaConsumer(
        bootstrap_servers=address, group_id=None, auto_offset_reset="none"
    ) as consumer:
        yield consumer


def _read(message: Any) -> Read:
    headers = tuple(Header(key, value) for key, value in message.headers)
    return Read(message.offset, Record(message.value, message.key, headers, message.timestamp))

"""A Kafka client for measurements: connects loads, and makes single calls around them.

The loads themselves are in `produce` and `fetch`.
"""

import asyncio
from collections.abc import Sequence

from benchmarks.load import requests, responses
from benchmarks.load.fetch import FetchLoad
from benchmarks.load.produce import ProduceLoad

ANSWER_SECONDS_MAX = 30.0

Load = ProduceLoad | FetchLoad


async def start(address: tuple[str, int], loads: Sequence[Load]) -> None:
    """Connects; every load sends at once."""
    loop = asyncio.get_running_loop()
    for load in loads:
        await loop.create_connection(lambda load=load: load, *address)  # type: ignore[misc]


async def finish(loads: Sequence[Load]) -> None:
    """Waits for all outstanding responses. Raises errors of the loads."""
    for load in loads:
        load.stop()
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        await asyncio.gather(*(load.done for load in loads))


async def call(address: tuple[str, int], frame: bytes) -> bytes:
    """Sends a request on a new connection; returns the response without its length prefix."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(frame)
        length = int.from_bytes(await reader.readexactly(4), "big")
        response = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
    return response


async def create_topic(address: tuple[str, int], name: str, partition_count: int) -> None:
    """Returns when clients can produce to every partition.

    Apache Kafka responds to CreateTopics before its broker leads the partitions, ringlog after.
    """
    response = await call(address, requests.create_topic(name, partition_count))
    responses.check_topic_created(response)
    fetch = requests.FetchRequest(
        name, range(partition_count), partition_bytes_max=0, max_wait_ms=0
    )
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while not _is_led(await call(address, bytes(fetch.frame))):
            pass


def _is_led(response: bytes) -> bool:
    """True if a Fetch of all partitions got no error."""
    frame = memoryview(len(response).to_bytes(4, "big") + response)
    try:
        return bool(list(responses.fetched_partitions(frame)))
    except responses.WrongResponse:
        return False


async def delete_topics(address: tuple[str, int], names: Sequence[str]) -> None:
    responses.check_topics_deleted(await call(address, requests.delete_topics(names)))

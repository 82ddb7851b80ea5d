import asyncio
import struct
from contextlib import asynccontextmanager

import pytest

from benchmarks.load import client, requests, responses
from benchmarks.load.produce import ProduceFrames, ProduceLoad, StoredBatches
from benchmarks.load.responses import WrongResponse

TOPIC = "topic"
BATCH = requests.record_batch(b"value", 2)


@asynccontextmanager
async def _run_broker(respond):
    """Responds to each Produce frame with the fields of `respond(number, id, partition)`."""
    layout = responses.produce_response(TOPIC)
    mark = struct.pack(">i", 0x7E57_AB1E)
    partition_at = requests.produce(TOPIC, 0x7E57_AB1E, b"", acks=1, correlation_id=0)
    partition_at = partition_at.index(mark) - 4

    ended = asyncio.Event()

    async def serve(reader, writer):
        number = 0
        try:
            while True:
                frame = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
                (correlation_id,) = struct.unpack_from(">i", frame, 4)
                (partition,) = struct.unpack_from(">i", frame, partition_at)
                fields = respond(number, correlation_id, partition)
                writer.write(layout.pack(layout.size - 4, *fields))
                number += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()
            ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            yield server.sockets[0].getsockname()
        finally:
            await ended.wait()


def _run_load(respond, *, requests=100):
    """Produces to two partitions, eight requests in flight; returns the stored offsets."""

    async def load():
        stored = StoredBatches(partition_count=2, records_per_batch=2)
        frames = ProduceFrames(TOPIC, BATCH, acks=1, partitions=range(2), count=8)
        async with _run_broker(respond) as address:
            produce_load = ProduceLoad(frames, stored, in_flight=8, requests_min=requests)
            await client.start(address, [produce_load])
            await produce_load.done
        return stored

    return asyncio.run(load())


def test_requests_are_sent_round_robin_and_every_response_is_counted():
    stored = _run_load(
        lambda number, correlation_id, _: (correlation_id, number % 2, 0, number // 2 * 2)
    )
    stored.check()
    counts = [len(offsets) for offsets in stored.base_offsets]
    assert sum(counts) >= 100
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "respond",
    [
        lambda number, correlation_id, partition: (correlation_id, partition, 5, number),
        lambda number, correlation_id, partition: (correlation_id + 1, partition, 0, number),
    ],
    ids=["an error code", "responses out of order"],
)
def test_a_wrong_response_voids_the_measurement(respond):
    with pytest.raises(WrongResponse):
        _run_load(respond)


@pytest.mark.parametrize("offsets", [[0, 2, 2], [0, 4], [2, 4]], ids=["twice", "lost", "not empty"])
def test_check_finds_offsets_that_are_not_dense(offsets):
    stored = StoredBatches(partition_count=1, records_per_batch=2)
    stored.base_offsets[0].extend(offsets)
    with pytest.raises(WrongResponse, match="not dense"):
        stored.check()

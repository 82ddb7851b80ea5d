import asyncio
import threading
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.ports.partitions import LogId
from common.records.records import write_batch
from common.rpc.channels import open_channel
from common.rpc.server import RpcServer
from partition_svc.rpc import partition_servicer
from partition_svc.rpc.partition_servicer import PartitionServicer, service
from partition_svc.rpc.typed_records import decode_records
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub
from tests.support.stores.partition_core import (
    LOG,
    TOPIC_ID,
    append,
    batch,
    read_everything,
    running_core,
    snapshot,
    topic,
    until,
)
from tests.support.wire.batches import record_batch
from tests.support.wire.records import Record, numbered

_FOREVER_MS = 50_000


@asynccontextmanager
async def serve(folder):
    """Serves a core over TCP; yields the core, its servicer, and a stub that calls it."""
    async with running_core(folder) as core:
        servicer = PartitionServicer(core)
        server = RpcServer([service(servicer)], address="127.0.0.1:0")
        await server.start()
        channel = open_channel(f"127.0.0.1:{server.port}")
        try:
            yield core, servicer, PartitionServiceStub(channel)
        finally:
            await channel.close()
            await server.stop(grace_s=0)


def run(test, tmp_path):
    async def within_limits():
        async with asyncio.timeout(60), serve(tmp_path) as parts:
            await test(*parts)

    asyncio.run(within_limits())


def append_message(append_id=0, data=None, *, partition=0, acks=pb.ACKS_ALL, topic_id=TOPIC_ID):
    return pb.Append(
        append_id=append_id,
        topic_id=topic_id,
        partition=partition,
        acks=acks,
        batch=batch() if data is None else data,
    )


def fetch_partition(offset=0, *, number=0, max_bytes=1 << 20, topic_id=TOPIC_ID):
    return pb.FetchPartition(
        topic_id=topic_id, partition=number, fetch_offset=offset, max_bytes=max_bytes
    )


def test_results_of_a_call_are_in_the_order_of_its_appends_with_any_acks(tmp_path):
    async def test(core, _, stub):
        acks = [pb.ACKS_LEADER, pb.ACKS_ALL, pb.ACKS_NONE, pb.ACKS_LEADER]
        appends = [append_message(n, batch(start=n), acks=value) for n, value in enumerate(acks)]
        appends.append(append_message(4, partition=99))
        response = await stub.Append(pb.AppendRequest(appends=appends))
        assert [result.append_id for result in response.results] == [0, 1, 2, 3, 4]
        assert [result.stored.base_offset for result in response.results[:4]] == [0, 1, 2, 3]
        assert response.results[4].refused.refusal == pb.REFUSAL_UNKNOWN_TOPIC_OR_PARTITION
        assert len(await read_everything(core)) == 4

    run(test, tmp_path)


@pytest.mark.parametrize("acks", [pb.ACKS_ALL, pb.ACKS_LEADER, pb.ACKS_NONE])
def test_internal_topics_reject_batches_and_records_of_callers(tmp_path, acks):
    async def test(core, _, stub):
        internal = topic(b"internal topic !", is_internal=True)
        core.apply(snapshot(topic(), internal, revision=2))
        forged = [
            append_message(1, acks=acks, topic_id=internal.topic_id),
            pb.Append(
                append_id=2, topic_id=internal.topic_id, acks=acks, records=[pb.Record(key=b"k")]
            ),
            append_message(3, topic_id=TOPIC_ID),
        ]
        request = pb.AppendRequest(appends=forged)

        async def requests():
            yield request

        unary = list((await stub.Append(request)).results)
        streamed = [
            result
            async for response in stub.AppendStream(requests())
            for result in response.results
        ]
        for results in (unary, sorted(streamed, key=lambda result: result.append_id)):
            assert [result.refused.refusal for result in results] == [
                pb.REFUSAL_INVALID_TOPIC_EXCEPTION,
                pb.REFUSAL_INVALID_TOPIC_EXCEPTION,
                pb.REFUSAL_UNSPECIFIED,
            ]
        assert await read_everything(core, LogId(internal.topic_id, 0)) == []

    run(test, tmp_path)


def test_records_are_appended_and_fetched_without_a_codec(tmp_path):
    async def test(_, __, stub):
        records = [pb.Record(key=b"k", value=b"%d" % n, timestamp_ms=n) for n in range(5)]
        request = pb.Append(topic_id=TOPIC_ID, records=records)
        await stub.Append(pb.AppendRequest(appends=[request, request]))
        request = pb.FetchRequest(
            partitions=[fetch_partition(3)], max_bytes=1000, decode_records=True
        )
        (result,) = (await stub.Fetch(request)).results
        assert [(record.offset, record.value) for record in result.records] == [
            (3, b"3"),
            (4, b"4"),
            *((5 + n, b"%d" % n) for n in range(5)),
        ]
        assert result.high_watermark == 10
        assert not result.batches

    run(test, tmp_path)


def test_fetch_calls_share_a_budget_of_bytes(tmp_path):
    async def test(core, servicer, stub):
        await append(core, *(batch(size=1000) for _ in range(5)))
        request = pb.FetchRequest(partitions=[fetch_partition()], max_bytes=100_000)
        servicer._fetch_budget.bytes_max = 3000
        for result in await asyncio.gather(*(stub.Fetch(request) for _ in range(10))):
            assert 1000 < len(result.results[0].batches) < 3500
        await until(lambda: servicer._fetch_budget.used == 0)

    run(test, tmp_path)


def test_records_that_cannot_be_decoded_are_corrupt(tmp_path):
    async def test(core, _, stub):
        await append(core, record_batch(numbered(1), payload=b"\xff" * 30))
        request = pb.FetchRequest(
            partitions=[fetch_partition()], max_bytes=1000, decode_records=True
        )
        (result,) = (await stub.Fetch(request)).results
        assert result.refusal == pb.REFUSAL_CORRUPT_MESSAGE
        # Undecoded, the bytes are those of the producer.
        request.decode_records = False
        (result,) = (await stub.Fetch(request)).results
        assert len(result.batches) > 30

    run(test, tmp_path)


@pytest.mark.parametrize("records", [[pb.Record()] * 1001, [pb.Record(value=b"v" * 70_000)]])
def test_records_that_take_long_to_encode_are_encoded_in_a_thread(tmp_path, monkeypatch, records):
    threads = []

    def record_thread(records):
        threads.append(threading.current_thread() is threading.main_thread())
        return write_batch(records)

    async def test(core, _, stub):
        request = pb.AppendRequest(
            appends=[
                append_message(1),
                pb.Append(append_id=2, topic_id=TOPIC_ID, records=records),
                append_message(3),
                pb.Append(append_id=4, topic_id=TOPIC_ID, records=[pb.Record(timestamp_ms=-1)]),
            ]
        )
        small = pb.AppendRequest(appends=request.appends[3:])

        async def requests():
            yield request
            yield small

        responses = stub.AppendStream(requests())
        stored = {
            result.append_id: result.stored
            async for response in responses
            for result in response.results
        }
        assert {append_id: result.base_offset for append_id, result in stored.items()} == {
            1: 0,
            2: 1,
            3: 1 + len(records),
            4: 3 + len(records),
        }
        assert [result.stored.base_offset for result in (await stub.Append(request)).results] == [
            4 + len(records),
            5 + len(records),
            5 + 2 * len(records),
            6 + 2 * len(records),
        ]
        assert threads == [False, False, True, False, False]

    monkeypatch.setattr("common.rpc.messages.append.write_batch", record_thread)
    run(test, tmp_path)


@pytest.mark.parametrize(("count", "codec"), [(1000, "none"), (1001, "none"), (1, "zstd")])
def test_records_that_take_long_to_decode_are_decoded_in_a_thread(
    tmp_path, monkeypatch, count, codec
):
    threads = set()

    def record_thread(*args, **options):
        threads.add(threading.current_thread() is threading.main_thread())
        return decode_records(*args, **options)

    async def test(core, _, stub):
        await append(core, record_batch(numbered(count), codec=codec))
        request = pb.FetchRequest(
            partitions=[fetch_partition(count - 1)], max_bytes=1 << 20, decode_records=True
        )
        (result,) = (await stub.Fetch(request)).results
        assert [record.offset for record in result.records] == [count - 1]
        assert threads == {count <= 1000 and codec == "none"}

    monkeypatch.setattr(partition_servicer, "decode_records", record_thread)
    run(test, tmp_path)


def test_record_with_many_headers_is_decoded_in_a_thread(tmp_path, monkeypatch):
    threads = []

    def record_thread(*args, **options):
        threads.append(threading.current_thread() is threading.main_thread())
        return decode_records(*args, **options)

    async def test(core, _, stub):
        await append(core, record_batch([Record(None, headers=(("", None),) * 40_000)]))
        request = pb.FetchRequest(partitions=[fetch_partition()], max_bytes=1, decode_records=True)
        (result,) = (await stub.Fetch(request)).results
        assert len(result.records[0].headers) == 40_000
        assert threads == [False]

    monkeypatch.setattr(partition_servicer, "decode_records", record_thread)
    run(test, tmp_path)


def test_stream_appends_in_the_order_of_arrival(tmp_path):
    async def test(core, _, stub):
        async def requests():
            for number in range(100):
                data = batch(start=number, producer=(1, 0, number))
                yield pb.AppendRequest(appends=[append_message(number, data)])

        responses = stub.AppendStream(requests())
        results = [result async for response in responses for result in response.results]
        assert {result.append_id: result.stored.base_offset for result in results} == {
            number: number for number in range(100)
        }
        assert len(await read_everything(core)) == 100

    run(test, tmp_path)


CALLS = {
    "Append": lambda topic_id: pb.AppendRequest(appends=[append_message(topic_id=topic_id)]),
    "Fetch": lambda topic_id: pb.FetchRequest(partitions=[fetch_partition(topic_id=topic_id)]),
    "ListOffsets": lambda topic_id: pb.ListOffsetsRequest(
        queries=[pb.OffsetQuery(topic_id=topic_id)]
    ),
    "DescribeLog": lambda topic_id: pb.DescribeLogRequest(logs=[pb.LogId(topic_id=topic_id)]),
}


@pytest.mark.parametrize("method", CALLS)
def test_malformed_topic_id_ends_only_its_call(tmp_path, method):
    async def test(core, _, stub):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await getattr(stub, method)(CALLS[method](b"short"))
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "16 bytes" in failure.value.details()
        await getattr(stub, method)(CALLS[method](TOPIC_ID))

    run(test, tmp_path)


def test_malformed_stream_ends_with_its_reason_and_others_continue(tmp_path):
    async def test(_, __, stub):
        healthy = stub.AppendStream()
        await healthy.write(pb.AppendRequest(appends=[append_message(1)]))
        wrong = stub.AppendStream()
        await wrong.write(pb.AppendRequest(appends=[append_message(2)]))
        await wrong.write(pb.AppendRequest(appends=[append_message(3, topic_id=b"")]))
        assert (await wrong.read()).results[0].append_id == 2
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await wrong.read()
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await healthy.read()).results[0].append_id == 1
        await healthy.write(pb.AppendRequest(appends=[append_message(4)]))
        assert (await healthy.read()).results[0].append_id == 4

    run(test, tmp_path)


@pytest.mark.parametrize("leave", ["cancel", "deadline"])
def test_fetch_is_cancelled_with_its_call(tmp_path, leave):
    async def test(core, _, stub):
        request = pb.FetchRequest(
            partitions=[fetch_partition()], max_wait_ms=_FOREVER_MS, min_bytes=1, max_bytes=1000
        )
        call = stub.Fetch(request, timeout=0.2 if leave == "deadline" else None)
        log = core._registry.find(LOG)
        await until(lambda: bool(log.waiters))
        if leave == "cancel":
            call.cancel()
        await until(lambda: not log.waiters)

    run(test, tmp_path)


def test_fetches_on_a_stream_get_responses_when_data_arrives(tmp_path):
    async def test(core, _, stub):
        stream = stub.FetchStream()
        polls = [
            pb.FetchRequest(
                partitions=[fetch_partition(number=number)],
                max_wait_ms=_FOREVER_MS,
                min_bytes=1,
                max_bytes=1000,
            )
            for number in range(2)
        ]
        calls = [pb.FetchCall(fetch_id=n, fetch=poll) for n, poll in enumerate(polls)]
        await stream.write(pb.FetchStreamRequest(calls=calls))
        logs = [core._registry.find(LOG._replace(partition=number)) for number in range(2)]
        await until(lambda: all(log.waiters for log in logs))
        await append(core, batch(), log=logs[1].id)
        (piece,) = (await stream.read()).pieces
        assert (piece.fetch_id, piece.is_last) == (1, True)
        assert len(piece.results[0].batches) == len(batch())
        await stream.write(pb.FetchStreamRequest(calls=[pb.FetchCall(fetch_id=0)]))
        await until(lambda: not logs[0].waiters)
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF

    run(test, tmp_path)


def test_offsets_and_descriptions_have_the_state_of_the_logs(tmp_path):
    async def test(core, _, stub):
        await append(core, batch(3, timestamp_ms=500))
        queries = [
            pb.OffsetQuery(topic_id=TOPIC_ID, timestamp=time) for time in (-1, -2, 500, 501, -9)
        ]
        response = await stub.ListOffsets(pb.ListOffsetsRequest(queries=queries))
        assert [result.offset for result in response.results] == [3, 0, 0, -1, -1]
        assert response.results[4].refusal == pb.REFUSAL_UNSUPPORTED_TIMESTAMP
        described = await stub.DescribeLog(pb.DescribeLogRequest())
        assert [log.log_end_offset for log in described.logs] == [3, 0, 0, 0]

    run(test, tmp_path)


def test_stopping_service_ends_streams_and_rejects_calls(tmp_path):
    async def test(core, servicer, stub):
        stream = stub.AppendStream()
        await stream.write(pb.AppendRequest(appends=[append_message(1)]))
        await stream.read()
        servicer.end_streams()
        await core.drain()
        # New streams are refused too: they would keep the service from stopping.
        for ended in (stream, stub.AppendStream(), stub.FetchStream()):
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await ended.read()
            assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await stub.Append(pb.AppendRequest(appends=[append_message(2)]))
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE

    run(test, tmp_path)


def test_appends_of_many_connections_get_different_offsets(tmp_path):
    """The prototype lost 348 of 400 acknowledged batches in this scenario."""

    async def test(core, _, stub):
        async def append_batches(number):
            stream = stub.AppendStream()
            offsets = []
            for append_id in range(20):
                data = batch(10, start=number)
                await stream.write(pb.AppendRequest(appends=[append_message(append_id, data)]))
            while len(offsets) < 20:
                response = await stream.read()
                offsets += [result.stored.base_offset for result in response.results]
            await stream.done_writing()
            return offsets

        all_offsets = await asyncio.gather(*(append_batches(number) for number in range(20)))
        assert sorted(offset for offsets in all_offsets for offset in offsets) == list(
            range(0, 4000, 10)
        )
        assert len(await read_everything(core)) == 400

    run(test, tmp_path)


def test_health_of_the_service_is_serving(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            server = RpcServer([service(PartitionServicer(core))], address="127.0.0.1:0")
            await server.start()
            async with open_channel(f"127.0.0.1:{server.port}") as channel:
                health = health_pb2_grpc.HealthStub(channel)
                response = await health.Check(health_pb2.HealthCheckRequest(service=""))
            await server.stop(grace_s=0)
            assert response.status == health_pb2.HealthCheckResponse.SERVING

    asyncio.run(test())

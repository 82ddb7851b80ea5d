import asyncio

import grpc
import pytest

from common.ports.partitions import ACKS_ALL, Append, Refusal
from common.rpc.channels import open_channel
from partition_svc.store.failures import StorageFailed
from protos.partition.v1 import moving_pb2 as pb
from protos.partition.v1.moving_pb2_grpc import MovingServiceStub
from tests.support.moves.members import SOURCE, Failpoints, NotifyingRing, moving_members
from tests.support.stores.partition_core import LOG, append, batch, content, until
from tests.support.wire.batches import split_batches


def run(test, tmp_path, monkeypatch):
    """Runs `test` with the source of a move, its stub, and the ring; the target stays idle."""
    points = Failpoints()
    points.hold("move.target.prepare")
    monkeypatch.setattr("partition_svc.moves.target_move.reach", points.reach)

    async def within_limits():
        ring = NotifyingRing()
        async with asyncio.timeout(60), moving_members(tmp_path, ring) as (source, _):
            ring.begin()
            async with open_channel(ring.members[SOURCE].address) as channel:
                await test(source, MovingServiceStub(channel), ring)

    asyncio.run(within_limits())


def moved_log(move_id=1, topic_id=LOG.topic_id, leader_epoch=5):
    return pb.MovedLog(move_id=move_id, topic_id=topic_id, leader_epoch=leader_epoch)


async def read_parts(call):
    return [part async for part in call]


def kinds(parts):
    return [part.WhichOneof("part") for part in parts]


def test_log_is_copied_in_small_parts_from_the_offset(tmp_path, monkeypatch):
    async def test(source, stub, _):
        sent = [batch(size=100_000, start=n) for n in range(12)]
        await append(source.core, *sent)
        parts = await read_parts(stub.CopyLog(pb.CopyLogRequest(log=moved_log(), offset=2)))
        assert kinds(parts)[0] == "head"
        assert parts[0].head.end_offset == 12
        assert parts[0].head.size_bytes == sum(map(len, sent))
        assert set(kinds(parts[1:])) == {"batches"}
        assert max(len(part.batches) for part in parts) <= 256 << 10
        copied = [copied for part in parts[1:] for copied in split_batches(part.batches)]
        assert list(map(content, copied)) == list(map(content, sent[2:]))

    run(test, tmp_path, monkeypatch)


def test_batch_larger_than_a_part_is_a_part_of_its_own(tmp_path, monkeypatch):
    async def test(source, stub, _):
        await append(source.core, batch(), batch(size=1_000_000), batch())
        parts = await read_parts(stub.CopyLog(pb.CopyLogRequest(log=moved_log())))
        assert [len(split_batches(part.batches)) for part in parts[1:]] == [1, 1, 1]

    run(test, tmp_path, monkeypatch)


def test_fence_streams_the_tail_and_the_rows_and_may_be_repeated(tmp_path, monkeypatch):
    async def test(source, stub, _):
        await append(source.core, *(batch(producer=(n, 0, 0), start=n) for n in range(3)))
        request = pb.FenceLogRequest(log=moved_log(), offset=2)
        parts = await read_parts(stub.FenceLog(request))
        assert kinds(parts) == ["head", "batches", "rows", "rows"]
        assert parts[0].head.leader_epoch == 5
        assert [row.kind for part in parts[2:] for row in part.rows.rows] == [b"P"] * 3 + [b"E"]
        (result,) = await source.core.append([Append(LOG, batch(), 5)], acks=ACKS_ALL)
        assert result.refusal is Refusal.MOVING
        assert await read_parts(stub.FenceLog(request)) == parts

    run(test, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("requested", "refusal"),
    [
        (moved_log(move_id=2), Refusal.NOT_OWNER),
        (moved_log(leader_epoch=4), Refusal.FENCED_LEADER_EPOCH),
        (moved_log(leader_epoch=6), Refusal.UNKNOWN_LEADER_EPOCH),
        (moved_log(topic_id=b"no such topic id"), Refusal.UNKNOWN_TOPIC_OR_PARTITION),
        (pb.MovedLog(), Refusal.UNKNOWN_TOPIC_OR_PARTITION),
    ],
    ids=["another move", "old epoch", "new epoch", "unknown topic", "empty"],
)
def test_request_for_another_move_fences_nothing(tmp_path, monkeypatch, requested, refusal):
    async def test(source, stub, _):
        for call in (
            stub.CopyLog(pb.CopyLogRequest(log=requested)),
            stub.FenceLog(pb.FenceLogRequest(log=requested)),
        ):
            (part,) = await read_parts(call)
            assert part.refusal == refusal
        (result,) = await source.core.append([Append(LOG, batch(), 5)], acks=ACKS_ALL)
        assert result.refusal is None

    run(test, tmp_path, monkeypatch)


def test_producers_are_streamed_before_the_fence_on_request(tmp_path, monkeypatch):
    async def test(source, stub, _):
        await append(source.core, *(batch(producer=(n, 0, 0), start=n) for n in range(3)))
        copying = pb.CopyLogRequest(log=moved_log(), offset=2, with_producers=True)
        parts = await read_parts(stub.CopyLog(copying))
        assert kinds(parts) == ["head", "batches", "rows"]
        assert [row.kind for row in parts[2].rows.rows] == [b"P"] * 3
        fencing = pb.FenceLogRequest(log=moved_log(), offset=3, has_producers=True)
        parts = await read_parts(stub.FenceLog(fencing))
        assert [row.kind for part in parts[1:] for row in part.rows.rows] == [b"E"]

    run(test, tmp_path, monkeypatch)


def test_store_failure_is_a_refusal_and_the_fence_may_be_repeated(tmp_path, monkeypatch):
    async def test(source, stub, _):
        def fail(*_):
            raise StorageFailed("broken")

        await append(source.core, batch())
        with monkeypatch.context() as patch:
            patch.setattr(source.store, "write", fail)
            (part,) = await read_parts(stub.FenceLog(pb.FenceLogRequest(log=moved_log())))
            assert part.refusal == Refusal.KAFKA_STORAGE_ERROR
        await until(lambda: source.core._committer.failure is None)
        parts = await read_parts(stub.FenceLog(pb.FenceLogRequest(log=moved_log())))
        assert parts[0].head.end_offset == 1

    run(test, tmp_path, monkeypatch)


def test_stopping_service_aborts_its_streams(tmp_path, monkeypatch):
    async def test(source, stub, _):
        points = Failpoints()
        points.hold("move.source.copy")
        monkeypatch.setattr("partition_svc.rpc.moving_servicer.reach", points.reach)
        await append(source.core, *(batch(size=90_000) for _ in range(30)))
        copying = asyncio.ensure_future(
            read_parts(stub.CopyLog(pb.CopyLogRequest(log=moved_log())))
        )
        await until(lambda: points.reached)
        source.servicer.end_streams()
        points.release("move.source.copy")
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await copying
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE

    run(test, tmp_path, monkeypatch)

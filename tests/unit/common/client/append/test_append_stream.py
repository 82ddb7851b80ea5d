import asyncio
import logging
from collections.abc import Sequence
from contextlib import asynccontextmanager

import grpc
import pytest

from common.client import batching_stream
from common.client.append import append_stream
from common.client.append.append_call import STALE, QueuedAppend
from common.client.append.append_stream import AppendStreamClient
from common.ports.partitions import ACKS_ALL, ACKS_LEADER, ACKS_NONE, AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub
from tests.support.processes.ports import ReservedPort
from tests.unit.common.client.fake_owner import LOG, FakeOwner, appends
from tests.unit.common.client.owner import serve_partitions


@asynccontextmanager
async def run_client(address: str, **options: float):
    channel = open_channel(address)
    stub = PartitionServiceStub(channel)
    client = AppendStreamClient("p-0", stub.AppendStream, **{"response_timeout_s": 30.0, **options})
    try:
        yield client
    finally:
        await client.close()
        await channel.close()


def run(scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


def test_results_are_matched_to_their_appends():
    async def scenario() -> None:
        owner = FakeOwner()
        async with serve_partitions(owner) as address, run_client(address) as client:
            first = client.submit(appends(b"a", b"b"), acks=ACKS_ALL)
            second = client.submit(appends(b"c"), acks=ACKS_ALL)
            assert [result.base_offset for result in await second] == [2]
            assert [result.base_offset for result in await first] == [0, 1]
            assert [append.batch for call, _ in owner.calls for append in call] == [
                b"a",
                b"b",
                b"c",
            ]

    run(scenario)


def test_queued_appends_leave_in_one_message(monkeypatch):
    messages = []
    real = append_stream.append_request

    def recording_request(items):
        message = real(items)
        messages.append(len(message.appends))
        return message

    async def scenario() -> None:
        owner = FakeOwner()
        async with serve_partitions(owner) as address, run_client(address) as client:
            monkeypatch.setattr(append_stream, "append_request", recording_request)
            await asyncio.gather(*(client.submit(appends(b"x"), acks=1) for _ in range(600)))
            assert sum(messages) == 600
            assert max(messages) == 256
            assert len(messages) <= 5

    run(scenario)


def test_a_message_has_about_a_megabyte_and_at_least_one_append(monkeypatch):
    messages = []
    real = append_stream.append_request

    def recording_request(items):
        message = real(items)
        messages.append([len(append.batch) for append in message.appends])
        return message

    async def scenario() -> None:
        async with serve_partitions(FakeOwner()) as address, run_client(address) as client:
            monkeypatch.setattr(append_stream, "append_request", recording_request)
            sizes = [600_000, 600_000, 3_000_000, 10, 10]
            await asyncio.gather(*(client.submit(appends(bytes(size)), acks=1) for size in sizes))
            assert messages == [[600_000], [600_000], [3_000_000], [10, 10]]

    run(scenario)


@pytest.mark.parametrize(
    ("iterations", "messages"),
    [
        ([[110_000]], [0, 1]),
        ([[110_000]] * 3, [0, 0, 0, 3]),
        ([[110_000], [10]], [0, 2]),
        ([[10]], [1]),
        ([[65_535] * 5], [5]),
        ([[110_000]] * 10, [*[0] * 9, 9]),  # a megabyte
        ([[1_200_000]], [1]),
        ([[110_000, *[10] * 255, 110_000]], [256]),  # as many as a message may have
    ],
)
def test_message_to_a_busy_owner_waits_while_large_appends_arrive(iterations, messages):
    async def scenario() -> None:
        client = AppendStreamClient("p-0", pytest.fail, response_timeout_s=30.0)
        in_flight = client.submit(appends(bytes(70_000)), acks=1)
        # An idle owner gets it at once.
        assert len(client.next_message().appends) == 1
        pending, found = [in_flight], []
        for sizes in [*iterations, []]:  # nothing arrives in the last one
            pending += [client.submit(appends(bytes(size)), acks=1) for size in sizes]
            message = client.next_message()
            found.append(0 if message is None else len(message.appends))
            if message is not None:
                break
        assert found == messages
        await client.close()
        await asyncio.wait(pending)
        assert all(future.exception() for future in pending)

    run(scenario)


def test_gathering_message_leaves_by_itself():
    async def scenario() -> None:
        owner = FakeOwner(responds_at_once=False)
        async with serve_partitions(owner) as address, run_client(address) as client:
            pending = [client.submit(appends(bytes(70_000)), acks=1)]
            await owner.wait_until_stored(1)
            pending.append(client.submit(appends(bytes(70_000)), acks=1))
            await owner.wait_until_stored(2)
            owner.respond()
            await asyncio.gather(*pending)

    run(scenario)


@pytest.mark.parametrize("event", ["bytes", "appends", "a response"])
def test_busy_owner_gets_full_messages_only(monkeypatch, event):
    messages = []
    real = append_stream.append_request
    monkeypatch.setattr(append_stream, "_LINGER_S", 3600.0)

    def recording_request(items):
        message = real(items)
        messages.append(len(message.appends))
        return message

    async def scenario() -> None:
        owner = FakeOwner(responds_at_once=False)
        async with serve_partitions(owner) as address, run_client(address) as client:
            monkeypatch.setattr(append_stream, "append_request", recording_request)
            pending = [client.submit(appends(bytes(300_000)), acks=1)]
            await owner.wait_until_stored(1)
            pending.append(client.submit(appends(bytes(100_000)), acks=1))
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert messages == [1]
            if event == "bytes":
                pending += [client.submit(appends(bytes(100_000)), acks=1) for _ in range(2)]
            elif event == "appends":
                pending += [client.submit(appends(b"x"), acks=1) for _ in range(255)]
            else:
                owner.respond()
            await owner.wait_until_stored(len(pending))
            assert messages == [1, len(pending) - 1]
            owner.respond()
            await asyncio.gather(*pending)

    run(scenario)


@pytest.mark.parametrize(
    ("acks", "sent_acks"),
    [(ACKS_ALL, ACKS_ALL), (ACKS_LEADER, ACKS_LEADER), (ACKS_NONE, ACKS_LEADER)],
)
def test_append_has_a_result_with_any_acks(acks, sent_acks):
    async def scenario() -> None:
        owner = FakeOwner()
        async with serve_partitions(owner) as address, run_client(address) as client:
            (result,) = await client.submit(appends(b"a"), acks=acks)
            assert result.base_offset == 0
            assert owner.calls[0][1] == sent_acks

    run(scenario)


def test_small_append_does_not_wait_for_the_response_to_a_large_one():
    async def scenario() -> None:
        owner = FakeOwner(responds_at_once=False)
        async with serve_partitions(owner) as address, run_client(address) as client:
            large = client.submit(appends(bytes(300_000)), acks=1)
            await owner.wait_until_stored(1)
            for count in (2, 3):
                small = client.submit(appends(b"x"), acks=1)
                await owner.wait_until_stored(count)
                future, results = owner.open.pop()
                future.set_result(results)
                assert (await small)[0].base_offset == count - 1
            assert not large.done()
            owner.respond()
            await large

    run(scenario)


def test_bytes_in_flight_are_bounded(monkeypatch):
    monkeypatch.setattr(append_stream, "_IN_FLIGHT_BYTES_MAX", 1 << 20)

    async def scenario() -> None:
        owner = FakeOwner(responds_at_once=False)
        async with serve_partitions(owner) as address, run_client(address) as client:
            waiting = [client.submit(appends(bytes(600_000)), acks=1) for _ in range(4)]
            await owner.wait_until_stored(2)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert owner.stored == 2
            owner.respond()
            await owner.wait_until_stored(4)
            owner.respond()
            await asyncio.gather(*waiting)

    run(scenario)


def test_broken_stream_fails_its_appends_and_the_next_append_opens_another(caplog):
    async def scenario() -> None:
        port = ReservedPort()
        owner = FakeOwner(responds_at_once=False)
        async with run_client(port.address) as client:
            async with serve_partitions(owner, address=port.address):
                lost = [client.submit(appends(b"a"), acks=1) for _ in range(3)]
                await owner.wait_until_stored(3)
            for append in lost:
                with pytest.raises(BackendUnavailable, match="p-0 AppendStream"):
                    await append
            restarted = FakeOwner()
            async with serve_partitions(restarted, address=port.address):
                while not restarted.stored:
                    try:
                        (result,) = await client.submit(appends(b"b"), acks=1)
                        assert result.base_offset == 0
                    except BackendUnavailable:
                        continue
        port.release()

    with caplog.at_level(logging.WARNING):
        run(scenario)
    assert "stream lost: p-0 AppendStream" in caplog.text


class EndedStream:
    """A stream whose `write` fails before its iterator has ended: a race."""

    def __init__(self, status: grpc.StatusCode) -> None:
        self.status = status

    async def write(self, _request: pb.AppendRequest) -> None:
        raise asyncio.InvalidStateError("RPC already finished.")

    async def __aiter__(self):
        await asyncio.Event().wait()
        yield

    async def code(self) -> grpc.StatusCode:
        return self.status

    async def details(self) -> str:
        return "stopping"

    def cancel(self) -> None:
        """Does nothing: the stream has ended."""


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (grpc.StatusCode.OK, "AppendStream: ended by the owner"),
        (grpc.StatusCode.UNAVAILABLE, "AppendStream: UNAVAILABLE: stopping"),
    ],
)
def test_stream_that_ends_during_a_write_is_lost(status, message, caplog):
    async def scenario() -> None:
        client = AppendStreamClient("p-0", lambda: EndedStream(status), response_timeout_s=30.0)
        try:
            with pytest.raises(BackendUnavailable, match=message):
                await client.submit(appends(b"a"), acks=ACKS_ALL)
        finally:
            await client.close()

    run(scenario)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_overdue_response_breaks_the_stream(monkeypatch):
    monkeypatch.setattr(batching_stream, "_CHECK_S", 0.001)

    async def scenario() -> None:
        owner = FakeOwner(responds_at_once=False)
        async with (
            serve_partitions(owner) as address,
            run_client(address, response_timeout_s=0.05) as client,
        ):
            with pytest.raises(BackendUnavailable, match=r"no response in 0\.05 s"):
                await client.submit(appends(b"a"), acks=1)

    run(scenario)


def test_close_fails_only_appends_without_a_response():
    async def scenario() -> None:
        owner = FakeOwner(responds_at_once=False)
        async with serve_partitions(owner) as address, run_client(address) as client:
            done = client.submit(appends(b"a"), acks=1)
            await owner.wait_until_stored(1)
            owner.respond()
            await done
            pending = client.submit(appends(b"b"), acks=1)
            await owner.wait_until_stored(2)
            await client.close()
            with pytest.raises(BackendUnavailable, match="stopping"):
                await pending

    run(scenario)


def test_result_for_an_unsent_append_breaks_the_stream():
    async def scenario() -> None:
        owner = FakeOwner()
        async with serve_partitions(owner) as address, run_client(address) as client:
            await client.submit(appends(b"a"), acks=1)
            with pytest.raises(BackendUnavailable, match="append that was not sent"):
                client._complete(pb.AppendResult(append_id=99))

    run(scenario)


def test_cancelled_caller_does_not_delay_others():
    async def scenario() -> None:
        owner = FakeOwner(responds_at_once=False)
        async with serve_partitions(owner) as address, run_client(address) as client:
            cancelled = client.submit(appends(b"a"), acks=1)
            cancelled.cancel()
            other = client.submit(appends(b"b"), acks=1)
            await owner.wait_until_stored(2)
            owner.respond()
            (result,) = await other
            assert result.base_offset == 1

    run(scenario)


class RecordingHandler:
    """Records rejected appends and lost owners."""

    def __init__(self) -> None:
        self.requeued: list[tuple[int, bytes, Refusal | None]] = []
        self.lost: list[str] = []

    def requeue(self, owner, append_id, item, result) -> None:
        self.requeued.append((append_id, item.append.batch, result.refusal))

    def on_owner_lost(self, name: str, lost: Sequence[QueuedAppend]) -> None:
        self.lost.append(name)


class RefusingOwner(FakeOwner):
    """Refuses batches that name a refusal, and stores the others."""

    def append(self, appends, *, acks):
        named = Refusal.__members__
        refusals = [named.get(bytes(append.batch).decode()) for append in appends]
        future = asyncio.get_running_loop().create_future()
        future.set_result([AppendResult(5, refusal=refusal) for refusal in refusals])
        return future


@pytest.mark.parametrize("refusal", list(Refusal))
def test_stale_refusal_goes_to_the_reject_handler_and_others_to_the_caller(refusal):
    async def scenario() -> None:
        handler = RecordingHandler()
        async with (
            serve_partitions(RefusingOwner()) as address,
            run_client(address, reject_handler=handler) as client,
        ):
            append = client.submit(appends(refusal.name.encode()), acks=1)
            assert [
                result.base_offset for result in await client.submit(appends(b"x"), acks=1)
            ] == [5]
            if refusal in STALE:
                assert handler.requeued == [(0, refusal.name.encode(), refusal)]
                assert not append.done()
            else:
                assert not handler.requeued
                assert (await append)[0].refusal is refusal

    run(scenario)


def test_drain_watch_fires_after_the_last_response_of_a_log():
    async def scenario() -> None:
        owner = FakeOwner(responds_at_once=False)
        async with serve_partitions(owner) as address, run_client(address) as client:
            notified = asyncio.Event()
            assert not client.notify_when_drained(LOG, notified.set)
            waiting = [client.submit(appends(b"a"), acks=1) for _ in range(3)]
            assert client.notify_when_drained(LOG, notified.set)
            assert not client.notify_when_drained(LogId(LOG.topic_id, 99), notified.set)
            await owner.wait_until_stored(3)
            assert not notified.is_set()
            owner.respond()
            await notified.wait()
            assert all(append.done() for append in waiting)
            assert not client.notify_when_drained(LOG, notified.set)

    run(scenario)


def test_lost_stream_notifies_drain_watches_and_the_reject_handler():
    async def scenario() -> None:
        owner, handler, notified = (
            FakeOwner(responds_at_once=False),
            RecordingHandler(),
            asyncio.Event(),
        )
        async with (
            serve_partitions(owner) as address,
            run_client(address, reject_handler=handler) as client,
        ):
            lost = client.submit(appends(b"a"), acks=1)
            await owner.wait_until_stored(1)
            assert client.notify_when_drained(LOG, notified.set)
            await client.close()
            assert notified.is_set()
            assert handler.lost == ["p-0"]
            with pytest.raises(BackendUnavailable):
                await lost

    run(scenario)

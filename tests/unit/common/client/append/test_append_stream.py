import asyncio
import logging
from asyncio import Future
from collections.abc import Sequence
from contextlib import asynccontextmanager

import grpc
import pytest

from common.client import batching_stream
from common.client.append import append_stream
from common.client.append.append_call import STALE, QueuedAppend
from common.client.append.append_stream import AppendStreamClient
from common.ports.partitions import (
    ACKS_ALL,
    ACKS_LEADER,
    ACKS_NONE,
    Append,
    AppendResult,
    LogId,
    Partitions,
    Refusal,
)
from common.ports.unavailable import BackendUnavailable
from common.rpc.channels import open_channel
from protos.partition.v1 import partition_pb2 as pb
from protos.partition.v1.partition_pb2_grpc import PartitionServiceStub
from tests.support.processes.ports import ReservedPort
from tests.unit.common.client.owner import served

LOG = LogId(b"x" * 16, 3)


class Owner(Partitions):
    """Stores nothing, and responds when the test says so, with offsets in order of arrival."""

    def __init__(self, *, answers_at_once: bool = True) -> None:
        self.answers_at_once = answers_at_once
        self.calls: list[tuple[list[Append], int]] = []
        self.open: list[tuple[Future[list[AppendResult]], list[AppendResult]]] = []
        self.stored = 0
        self.arrived = asyncio.Event()

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        self.calls.append((list(appends), acks))
        results = [AppendResult(base_offset=self.stored + n) for n in range(len(appends))]
        self.stored += len(appends)
        future: Future[list[AppendResult]] = asyncio.get_running_loop().create_future()
        self.open.append((future, results))
        if self.answers_at_once:
            self.answer_all()
        self.arrived.set()
        return future

    def answer_all(self) -> None:
        for future, results in self.open:
            future.set_result(results)
        self.open.clear()

    async def until_stored(self, count: int) -> None:
        while self.stored < count:
            self.arrived.clear()
            await self.arrived.wait()


@asynccontextmanager
async def sending(address: str, **options: float):
    channel = open_channel(address)
    stub = PartitionServiceStub(channel)
    sender = AppendStreamClient("p-0", stub.AppendStream, **{"response_timeout_s": 30.0, **options})
    try:
        yield sender
    finally:
        await sender.close()
        await channel.close()


def appends(*batches: bytes) -> list[Append]:
    return [Append(LOG, one) for one in batches]


def run(scenario) -> None:
    async def within_limits() -> None:
        async with asyncio.timeout(60):
            await scenario()

    asyncio.run(within_limits())


def test_results_are_matched_to_their_appends():
    async def scenario() -> None:
        owner = Owner()
        async with served(owner) as address, sending(address) as sender:
            first = sender.submit(appends(b"a", b"b"), acks=ACKS_ALL)
            second = sender.submit(appends(b"c"), acks=ACKS_ALL)
            assert [one.base_offset for one in await second] == [2]
            assert [one.base_offset for one in await first] == [0, 1]
            assert [one.batch for call, _ in owner.calls for one in call] == [b"a", b"b", b"c"]

    run(scenario)


def test_queued_appends_leave_in_one_message(monkeypatch):
    messages = []
    real = append_stream.append_request

    def counted(items):
        message = real(items)
        messages.append(len(message.appends))
        return message

    async def scenario() -> None:
        owner = Owner()
        async with served(owner) as address, sending(address) as sender:
            monkeypatch.setattr(append_stream, "append_request", counted)
            await asyncio.gather(*(sender.submit(appends(b"x"), acks=1) for _ in range(600)))
            assert sum(messages) == 600
            assert max(messages) == 256
            assert len(messages) <= 5

    run(scenario)


def test_a_message_has_about_a_megabyte_and_at_least_one_append(monkeypatch):
    messages = []
    real = append_stream.append_request

    def measured(items):
        message = real(items)
        messages.append([len(one.batch) for one in message.appends])
        return message

    async def scenario() -> None:
        async with served(Owner()) as address, sending(address) as sender:
            monkeypatch.setattr(append_stream, "append_request", measured)
            sizes = [600_000, 600_000, 3_000_000, 10, 10]
            await asyncio.gather(*(sender.submit(appends(bytes(size)), acks=1) for size in sizes))
            assert messages == [[600_000], [600_000], [3_000_000], [10, 10]]

    run(scenario)


@pytest.mark.parametrize("more", ["bytes", "appends", "an answer"])
def test_busy_owner_gets_full_messages_only(monkeypatch, more):
    messages = []
    real = append_stream.append_request
    monkeypatch.setattr(append_stream, "_LINGER_S", 3600.0)

    def counted(items):
        message = real(items)
        messages.append(len(message.appends))
        return message

    async def scenario() -> None:
        owner = Owner(answers_at_once=False)
        async with served(owner) as address, sending(address) as sender:
            monkeypatch.setattr(append_stream, "append_request", counted)
            begun = [sender.submit(appends(bytes(300_000)), acks=1)]
            await owner.until_stored(1)
            begun.append(sender.submit(appends(bytes(100_000)), acks=1))
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert messages == [1]
            if more == "bytes":
                begun += [sender.submit(appends(bytes(100_000)), acks=1) for _ in range(2)]
            elif more == "appends":
                begun += [sender.submit(appends(b"x"), acks=1) for _ in range(255)]
            else:
                owner.answer_all()
            await owner.until_stored(len(begun))
            assert messages == [1, len(begun) - 1]
            owner.answer_all()
            await asyncio.gather(*begun)

    run(scenario)


@pytest.mark.parametrize(
    ("acks", "told"), [(ACKS_ALL, ACKS_ALL), (ACKS_LEADER, ACKS_LEADER), (ACKS_NONE, ACKS_LEADER)]
)
def test_append_has_a_result_with_any_acks(acks, told):
    async def scenario() -> None:
        owner = Owner()
        async with served(owner) as address, sending(address) as sender:
            (result,) = await sender.submit(appends(b"a"), acks=acks)
            assert result.base_offset == 0
            assert owner.calls[0][1] == told

    run(scenario)


def test_small_append_does_not_wait_for_the_response_to_a_large_one():
    async def scenario() -> None:
        owner = Owner(answers_at_once=False)
        async with served(owner) as address, sending(address) as sender:
            large = sender.submit(appends(bytes(300_000)), acks=1)
            await owner.until_stored(1)
            for count in (2, 3):
                small = sender.submit(appends(b"x"), acks=1)
                await owner.until_stored(count)
                future, results = owner.open.pop()
                future.set_result(results)
                assert (await small)[0].base_offset == count - 1
            assert not large.done()
            owner.answer_all()
            await large

    run(scenario)


def test_unanswered_bytes_are_bounded(monkeypatch):
    monkeypatch.setattr(append_stream, "_UNANSWERED_BYTES_MAX", 1 << 20)

    async def scenario() -> None:
        owner = Owner(answers_at_once=False)
        async with served(owner) as address, sending(address) as sender:
            waiting = [sender.submit(appends(bytes(600_000)), acks=1) for _ in range(4)]
            await owner.until_stored(2)
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert owner.stored == 2
            owner.answer_all()
            await owner.until_stored(4)
            owner.answer_all()
            await asyncio.gather(*waiting)

    run(scenario)


def test_broken_stream_fails_its_appends_and_the_next_append_opens_another(caplog):
    async def scenario() -> None:
        port = ReservedPort()
        owner = Owner(answers_at_once=False)
        async with sending(port.address) as sender:
            async with served(owner, address=port.address):
                lost = [sender.submit(appends(b"a"), acks=1) for _ in range(3)]
                await owner.until_stored(3)
            for one in lost:
                with pytest.raises(BackendUnavailable, match="p-0 AppendStream"):
                    await one
            again = Owner()
            async with served(again, address=port.address):
                while not again.stored:
                    try:
                        (result,) = await sender.submit(appends(b"b"), acks=1)
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
    ("status", "told"),
    [
        (grpc.StatusCode.OK, "AppendStream: ended by the owner"),
        (grpc.StatusCode.UNAVAILABLE, "AppendStream: UNAVAILABLE: stopping"),
    ],
)
def test_stream_that_ends_during_a_write_is_lost(status, told, caplog):
    async def scenario() -> None:
        sender = AppendStreamClient("p-0", lambda: EndedStream(status), response_timeout_s=30.0)
        try:
            with pytest.raises(BackendUnavailable, match=told):
                await sender.submit(appends(b"one"), acks=ACKS_ALL)
        finally:
            await sender.close()

    run(scenario)
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_overdue_response_breaks_the_stream(monkeypatch):
    monkeypatch.setattr(batching_stream, "_CHECK_S", 0.001)

    async def scenario() -> None:
        owner = Owner(answers_at_once=False)
        async with served(owner) as address, sending(address, response_timeout_s=0.05) as sender:
            with pytest.raises(BackendUnavailable, match=r"no response in 0\.05 s"):
                await sender.submit(appends(b"a"), acks=1)

    run(scenario)


def test_close_fails_only_unanswered_appends():
    async def scenario() -> None:
        owner = Owner(answers_at_once=False)
        async with served(owner) as address, sending(address) as sender:
            done = sender.submit(appends(b"a"), acks=1)
            await owner.until_stored(1)
            owner.answer_all()
            await done
            open_ = sender.submit(appends(b"b"), acks=1)
            await owner.until_stored(2)
            await sender.close()
            with pytest.raises(BackendUnavailable, match="stopping"):
                await open_

    run(scenario)


def test_result_for_an_unsent_append_breaks_the_stream():
    async def scenario() -> None:
        owner = Owner()
        async with served(owner) as address, sending(address) as sender:
            await sender.submit(appends(b"a"), acks=1)
            with pytest.raises(BackendUnavailable, match="append that was not sent"):
                sender._complete(pb.AppendResult(append_id=99))

    run(scenario)


def test_cancelled_caller_does_not_delay_others():
    async def scenario() -> None:
        owner = Owner(answers_at_once=False)
        async with served(owner) as address, sending(address) as sender:
            given_up = sender.submit(appends(b"a"), acks=1)
            given_up.cancel()
            other = sender.submit(appends(b"b"), acks=1)
            await owner.until_stored(2)
            owner.answer_all()
            (result,) = await other
            assert result.base_offset == 1

    run(scenario)


class RecordingHandler:
    """Records rejected appends and lost owners."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, bytes, Refusal | None]] = []
        self.lost: list[str] = []

    def requeue(self, owner, append_id, item, result) -> None:
        self.taken.append((append_id, item.append.batch, result.refusal))

    def on_owner_lost(self, name: str, lost: Sequence[QueuedAppend]) -> None:
        self.lost.append(name)


class Refusing(Owner):
    """Refuses batches that name a refusal, and stores the others."""

    def append(self, appends, *, acks):
        named = Refusal.__members__
        answers = [named.get(bytes(one.batch).decode()) for one in appends]
        future = asyncio.get_running_loop().create_future()
        future.set_result([AppendResult(5, refusal=one) for one in answers])
        return future


@pytest.mark.parametrize("refusal", list(Refusal))
def test_stale_refusal_goes_to_the_reject_handler_and_others_to_the_caller(refusal):
    async def scenario() -> None:
        handler = RecordingHandler()
        async with (
            served(Refusing()) as address,
            sending(address, reject_handler=handler) as sender,
        ):
            asked = sender.submit(appends(refusal.name.encode()), acks=1)
            assert [one.base_offset for one in await sender.submit(appends(b"x"), acks=1)] == [5]
            if refusal in STALE:
                assert handler.taken == [(0, refusal.name.encode(), refusal)]
                assert not asked.done()
            else:
                assert not handler.taken
                assert (await asked)[0].refusal is refusal

    run(scenario)


def test_drain_watch_fires_after_the_last_response_of_a_log():
    async def scenario() -> None:
        owner = Owner(answers_at_once=False)
        async with served(owner) as address, sending(address) as sender:
            told = asyncio.Event()
            assert not sender.notify_when_answered(LOG, told.set)
            waiting = [sender.submit(appends(b"a"), acks=1) for _ in range(3)]
            assert sender.notify_when_answered(LOG, told.set)
            assert not sender.notify_when_answered(LogId(LOG.topic_id, 99), told.set)
            await owner.until_stored(3)
            assert not told.is_set()
            owner.answer_all()
            await told.wait()
            assert all(one.done() for one in waiting)
            assert not sender.notify_when_answered(LOG, told.set)

    run(scenario)


def test_lost_stream_notifies_drain_watches_and_the_reject_handler():
    async def scenario() -> None:
        owner, handler, told = Owner(answers_at_once=False), RecordingHandler(), asyncio.Event()
        async with served(owner) as address, sending(address, reject_handler=handler) as sender:
            lost = sender.submit(appends(b"a"), acks=1)
            await owner.until_stored(1)
            assert sender.notify_when_answered(LOG, told.set)
            await sender.close()
            assert told.is_set()
            assert handler.lost == ["p-0"]
            with pytest.raises(BackendUnavailable):
                await lost

    run(scenario)

import asyncio

import pytest

from common.ports.metadata import ClusterChange
from common.ports.moves import Move, MovePhase
from common.ports.partitions import Refusal
from common.ports.unavailable import BackendUnavailable
from partition_svc.store.failures import MetadataBehind
from partition_svc.store.keys import VOLUME_STATE, head_key
from partition_svc.store.stored_volume import StoredVolume
from tests.support.stores.partition_core import (
    CLUSTER_ID,
    LOG,
    TOPIC_ID,
    append,
    batch,
    running_core,
    snapshot,
)
from tests.support.stores.partition_core import topic as topic_of


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test()

    asyncio.run(within_limits())


def read_volume(core):
    return StoredVolume.unpack(core._store.reader.row(VOLUME_STATE))


async def wait_for_committer(core):
    await core._committer.run_exclusive(lambda: None)


async def register(core):
    """Completes a registration; returns it."""
    registration = core.volume.registration()
    core.apply(snapshot(topic_of(), revision=core.view.revision))
    await wait_for_committer(core)
    return registration


class Recorder:
    def __init__(self):
        self.tokens = []
        self.is_unavailable = False

    async def __call__(self, token):
        if self.is_unavailable:
            raise BackendUnavailable("no leader")
        self.tokens.append(token)


def test_applied_revision_is_kept_and_an_older_snapshot_is_refused(tmp_path):
    async def test():
        move = Move(77, TOPIC_ID, 0, "p", "q", 3, MovePhase.PREPARE)
        async with running_core(tmp_path, topic_of(leader_epoch=3)) as core:
            core.apply(ClusterChange(40, CLUSTER_ID, moves=[move]))
            core.apply(ClusterChange(41, CLUSTER_ID, ended_moves=[77]))
            await wait_for_committer(core)
        async with running_core(tmp_path / "another") as fresh:
            assert fresh.volume.registration().applied_revision == 1
        async with running_core(tmp_path) as core:
            message = r"revision 40, and this member has applied revision 41"
            with pytest.raises(MetadataBehind, match=message):
                core.apply(snapshot(topic_of(), revision=40))
            assert core.view.revision == 41

    run(test)


def test_each_applied_revision_is_stored_while_earlier_writes_are_pending(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            for revision in range(2, 200):
                core.apply(ClusterChange(revision, CLUSTER_ID))
                # Leave the write of this change at any of its steps.
                for _ in range(revision % 5):
                    await asyncio.sleep(0)
            await wait_for_committer(core)
            assert read_volume(core).applied_revision == 199

    run(test)


def test_registration_has_the_applied_state(tmp_path):
    async def test():
        move = Move(77, TOPIC_ID, 0, "p", "q", 3, MovePhase.PREPARE)
        async with running_core(tmp_path, topic_of(leader_epoch=3)) as core:
            core.apply(ClusterChange(40, CLUSTER_ID, moves=[move]))
            registration = core.volume.registration()
            assert (
                registration.applied_revision,
                registration.leader_epoch,
                registration.move_id,
            ) == (40, 3, 77)
            assert not registration.may_lack_records

    run(test)


def test_response_to_a_registration_leaves_one_token(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            registration = await register(core)
            assert read_volume(core).tokens == registration.tokens[-1:]
        async with running_core(tmp_path) as core:
            second_registration = await register(core)
            assert len(second_registration.tokens) == 2
            assert second_registration.tokens[0] == registration.tokens[-1]
            # A snapshot that is no response to a registration settles no token.
            core.volume._state = core.volume._state.with_token()
            core.apply(snapshot(topic_of(), revision=2))
            await wait_for_committer(core)
            assert len(read_volume(core).tokens) == 2

    run(test)


def test_token_is_renewed_after_writes_and_durable_before_it_is_recorded(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            record = Recorder()
            await core.volume.renew_token(record)
            assert record.tokens == []  # not registered
            registration = await register(core)
            tokens_at_record = []

            async def record_and_read(token):
                tokens_at_record.append(read_volume(core).tokens)
                await record(token)

            await core.volume.renew_token(record_and_read)
            assert tokens_at_record == [(registration.tokens[-1], record.tokens[0])]
            await wait_for_committer(core)
            assert read_volume(core).tokens == (record.tokens[0],)
            for _ in range(3):
                await core.volume.renew_token(record)
            assert len(record.tokens) == 1  # nothing was written
            await append(core, batch())
            await core.volume.renew_token(record)
            assert len(set(record.tokens)) == 2

    run(test)


def test_registration_has_no_token_before_it_is_durable(tmp_path):
    """Otherwise it may be recorded, and a power loss then locks the member out."""

    async def test():
        async with running_core(tmp_path) as core:
            await register(core)
            registered_tokens, sync = [], core._store.sync

            def register_and_sync():
                registered_tokens.append(core.volume.registration().tokens)
                sync()

            core._store.sync = register_and_sync
            record = Recorder()
            await core.volume.renew_token(record)
            core._store.sync = sync
            assert registered_tokens
            assert all(record.tokens[0] not in tokens for tokens in registered_tokens)

    run(test)


def test_a_token_that_may_be_recorded_is_kept_until_the_outcome_is_known(tmp_path):
    async def test():
        async with running_core(tmp_path) as core:
            record = Recorder()
            registration = await register(core)
            record.is_unavailable = True
            for _ in range(3):
                with pytest.raises(BackendUnavailable):
                    await core.volume.renew_token(record)
            before, after = read_volume(core).tokens
            assert before == registration.tokens[-1]
        async with running_core(tmp_path) as core:
            assert core.volume.registration().tokens[:2] == (before, after)

    run(test)


@pytest.mark.parametrize(
    ("boot_id", "may_lack"), [("another", True), (None, False)], ids=["power lost", "killed"]
)
def test_only_a_loss_of_power_makes_records_doubtful(tmp_path, boot_id, may_lack):
    async def test():
        async with running_core(tmp_path) as core:
            await register(core)
        async with running_core(tmp_path) as core:
            assert not core.volume.registration().may_lack_records
            # As if the process were killed.
            core.volume.note_closed = lambda: None
            if boot_id is not None:
                atomic_write = core._store.new_write()
                row = StoredVolume(boot_id=boot_id, is_closed=False).pack()
                atomic_write.put(VOLUME_STATE, row)
                core._store.write(atomic_write, 0)
        async with running_core(tmp_path) as core:
            assert (await register(core)).may_lack_records is may_lack
            assert not core.volume.registration().may_lack_records

    run(test)


def test_records_that_a_reopened_store_lacks_begin_a_new_epoch(tmp_path):
    """The state after a failed sync: the page cache has lost records that consumers had read."""

    async def test():
        async with running_core(tmp_path) as core:
            await register(core)
            due = []
            volume = core.volume
            volume.registration_due.subscribe(lambda: due.append(volume.registration()))
            for _ in range(3):
                await append(core, batch(), acks=1)
            log = core._registry.find(LOG)
            assert log.high_watermark == 3
            core._on_recovered()
            assert due == []
            (result,) = await append(core, batch(), acks=1)
            assert result.base_offset == 3
            atomic_write = core._store.new_write()
            atomic_write.put(head_key(log.key), log.head._replace(next_offset=1).pack())
            core._store.write(atomic_write, 0)
            core._on_recovered()
            (registration,) = due
            assert registration.may_lack_records
            (result,) = await append(core, batch(), acks=1)
            assert result.refusal is Refusal.MOVING
            assert core.serving_epoch(LOG) is None
            # The response to that registration.
            epoch = log.leader_epoch + 1
            core.apply(snapshot(topic_of(leader_epoch=epoch), revision=2))
            (result,) = await append(core, batch(), acks=1)
            assert (result.refusal, result.base_offset) == (None, 1)
            assert log.leader_epoch == epoch
            assert not core.volume.registration().may_lack_records

    run(test)

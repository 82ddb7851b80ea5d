"""The state of the data directory that the metadata service checks: tokens, applied revision.

Two things can go back in time: a volume that is replaced by an older copy of itself, and metadata
that is restored from a backup. Each side keeps the values that reveal this of the other.
"""

import logging
from asyncio import Future
from collections.abc import Awaitable, Callable
from dataclasses import replace

from common.ports.metadata import ClusterChange, VolumeState
from common.runtime.observers import Observers
from partition_svc.log.commit.committer import Committer
from partition_svc.store.cluster_claim import claimed_by
from partition_svc.store.failures import MetadataBehind, StorageFailed
from partition_svc.store.keys import VOLUME_STATE
from partition_svc.store.log_store import LogStore
from partition_svc.store.stored_volume import StoredVolume, current_boot_id

log = logging.getLogger(__name__)


class Volume:
    """The volume of one running member. Its writes are exclusive tasks of the committer."""

    def __init__(self, store: LogStore, committer: Committer) -> None:
        """Raises `StorageFailed` if the stored state cannot be read."""
        self._store = store
        self._committer = committer
        row = store.reader.row(VOLUME_STATE)
        self._state = StoredVolume() if row is None else StoredVolume.unpack(row)
        if not store.is_writable:
            # The opening could not be stored, so neither is its token.
            opened = self._state.opened(current_boot_id())
            self._state = replace(opened, tokens=self._state.tokens)
        self._registered: VolumeState | None = None
        self._is_registered = False
        #: A new token that is not durable yet, so that no registration may contain it.
        self._undurable_token = ""
        self._is_saving = False
        #: Notified when this member must register again.
        self.registration_due = Observers()
        #: True if the state has changed since the token was renewed.
        self._has_changed = True
        #: Sequence numbers of the store that writes of this class took, and those that all others
        #: had taken when the token was renewed.
        self._own_writes = 0
        self._renewed_at = -1

    def registration(self) -> VolumeState:
        """Returns the state for the next registration, whose first change is a snapshot."""
        state = self._state
        self._registered = VolumeState(
            state.tokens,
            state.applied_revision,
            state.leader_epoch,
            state.move_id,
            state.may_lack_records,
            claimed_by(self._store),
        )
        return self._registered

    def check(self, change: ClusterChange) -> None:
        """Raises `MetadataBehind` for a snapshot older than the revision that was applied here."""
        if change.is_snapshot and change.revision < self._state.applied_revision:
            raise MetadataBehind(
                f"the metadata service is at revision {change.revision}, and this member has "
                f"applied revision {self._state.applied_revision}: it was restored from an older "
                'backup; nothing is changed here. See "Backup" in docs/operations.md'
            )

    def on_applied(self, change: ClusterChange) -> None:
        """Records the applied revision, and the tokens that a registration has confirmed."""
        state = self._state
        epochs = [placed.placement.leader_epoch for placed in change.placements]
        epochs += [
            partition.leader_epoch for topic in change.topics for partition in topic.partitions
        ]
        now = replace(
            state,
            applied_revision=max(state.applied_revision, change.revision),
            leader_epoch=max([state.leader_epoch, *epochs]),
            move_id=max([state.move_id, *(move.move_id for move in change.moves)]),
        )
        registered = self._registered
        if change.is_snapshot and registered is not None:
            self._registered = None
            self._is_registered = True
            if registered.tokens:
                now = now.recorded(registered.tokens[-1])
            lacks = now.may_lack_records and not registered.may_lack_records
            now = replace(now, may_lack_records=lacks)
        if now != state:
            self._state = now
            self._has_changed = True
            self._save_soon()

    def on_records_lost(self) -> None:
        """Requests new epochs: the store was opened again with less than consumers could read."""
        log.error("records were lost with a failed write; registering again for new leader epochs")
        self._state = replace(self._state, may_lack_records=True)
        self._save_soon()
        self.registration_due.notify()

    async def renew_token(self, record: Callable[[str], Awaitable[None]]) -> None:
        """Makes a new token and passes it to `record`, if there were writes since the last one.

        `record` has the metadata service record the token.

        Raises:
            StorageFailed, or an exception of `record`: the next call tries the token again.
        """
        if not self._is_registered or not self._is_due:
            return
        if len(self._state.tokens) == 1:
            self._undurable_token = self._undurable_token or self._state.with_token().tokens[-1]
        self._has_changed = False
        self._renewed_at = -1
        await self._committer.run_exclusive(self._save_token, must_sync=True)
        if self._undurable_token:
            tokens = (*self._state.tokens, self._undurable_token)
            self._state, self._undurable_token = replace(self._state, tokens=tokens), ""
        token = self._state.tokens[-1]
        await record(token)
        self._state = self._state.recorded(token)
        self._save_soon()

    def note_closed(self) -> None:
        """Records a clean shutdown, after everything is synced: the next start lacks no records.

        Blocks. Raises `StorageFailed`.
        """
        if self._store.is_writable and self._committer.failure is None:
            self._state = replace(self._state, is_closed=True)
            self._save()
            self._store.sync()

    @property
    def _is_due(self) -> bool:
        # A failed renewal is due again.
        is_open = len(self._state.tokens) > 1 or bool(self._undurable_token)
        return self._has_changed or is_open or self._others_writes != self._renewed_at

    @property
    def _others_writes(self) -> int:
        return self._store.sequence - self._own_writes

    def _save_token(self) -> None:
        self._save()
        # Later writes are not in a copy of the volume that has this token.
        self._renewed_at = self._others_writes

    def _save_soon(self) -> None:
        """Stores the state soon, unsynced: if it is lost it is detected or received again."""
        if not self._is_saving:
            self._is_saving = True
            self._committer.run_exclusive(self._save).add_done_callback(self._on_saved)

    def _on_saved(self, done: "Future[None]") -> None:
        if done.cancelled() or isinstance(done.exception(), StorageFailed):
            # The next change writes it; until then it is in memory.
            self._is_saving = False
            self._has_changed = True

    def _save(self) -> None:
        # Later changes need another write.
        self._is_saving = False
        changes = self._store.new_write()
        state = self._state
        if self._undurable_token:
            state = replace(state, tokens=(*state.tokens, self._undurable_token))
        changes.put(VOLUME_STATE, state.pack())
        before = self._store.sequence
        self._store.write(changes, 0)
        self._own_writes += self._store.sequence - before

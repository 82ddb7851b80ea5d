"""Buffers appends to partitions that are moving, or whose placement is stale here or at the owner.

They wait in the order of the calls, log by log, for at most `hold_s`, and are sent when the
placement changes. `pending_state.py` explains the states of a log. The order of a log is kept:

* While an owner has appends of a log without a response, nothing of that log goes to another
  owner, and what the owner rejected goes before later appends.
* After a change of the placement one append is sent as a probe. Were several pipelined, an owner
  that has not received the change yet could reject the first and accept the second.
* When appends are lost with their stream, later appends of the producer must not overtake its
  retries: the pending ones are refused with the lost ones, and later ones are refused until the
  producer sends the first lost one again (`common/records/sequence_gaps.py`).
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from common.client.append.append_call import STALE, AppendChannel, QueuedAppend, with_placement
from common.client.append.direct_logs import DirectLogs
from common.client.append.pending_log import PendingLog, Probe
from common.client.append.pending_state import PendingState
from common.client.append.producer_gaps import ProducerGaps, producer_id_of
from common.client.owner import OwnerConnections
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement
from common.ports.moves import MovePhase
from common.ports.partitions import AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable

log = logging.getLogger(__name__)

_UNKNOWN: Final = AppendResult(refusal=Refusal.UNKNOWN_TOPIC_OR_PARTITION)
_NO_OWNER: Final = AppendResult(refusal=Refusal.NOT_OWNER)
_AFTER_LOST: Final = AppendResult(
    refusal=Refusal.NOT_OWNER, message="an earlier batch was lost and is to come first"
)


class PendingAppends:
    """Implements `RejectHandler`. Call `view_changed` after each change, once the view has it.

    Appends of logs in `direct.free` bypass it; all others are added here.
    """

    def __init__(
        self, view: ClusterView, owners: OwnerConnections, *, hold_s: float, bytes_max: int
    ) -> None:
        """An append that would exceed `bytes_max` pending bytes of all logs is refused at once."""
        self.direct = DirectLogs()
        self._gaps = ProducerGaps()
        self._view = view
        self._owners = owners
        self._hold_s = hold_s
        self._bytes_max = bytes_max
        self._bytes = 0
        self._logs: dict[LogId, PendingLog] = {}

    def add(self, item: QueuedAppend) -> None:
        """Sends `item` at once where its order permits, else buffers it."""
        log_id = item.append.log
        if not self._gaps.admit(item):
            item.callback.complete(item.position, _AFTER_LOST)
            return
        pending = self._logs.get(log_id)
        if pending is None:
            if self._send_guarded(item):
                return
            pending = self._open_after_direct(log_id)
        if self._bytes + item.size > self._bytes_max:
            self._gaps.open([item])
            item.callback.complete(item.position, pending.refusal)
        else:
            pending.waiting.append(item)
            self._account(pending, item)
        self._advance(pending)

    def requeue(
        self, owner: AppendChannel, append_id: int, item: QueuedAppend, result: AppendResult
    ) -> None:
        """See `RejectHandler.requeue`."""
        if isinstance(item.callback, Probe):
            item.callback.complete(item.position, result)
            return
        log_id = item.append.log
        pending = self._logs.get(log_id)
        if pending is None:
            self.direct.remove(log_id)
            pending = self._open(log_id, owner)
        placement = self._view.placement(*log_id)
        is_current = placement is not None and placement.leader_epoch == item.append.leader_epoch
        pending.on_rejected(result, placement if is_current else None)
        pending.requeued.append((append_id, item))
        self._account(pending, item)
        self._advance(pending)

    def on_owner_lost(self, name: str, lost: Sequence[QueuedAppend]) -> None:
        """See `RejectHandler.on_owner_lost`. A restarted owner may not know its logs at first."""
        self.direct.remove_owned_by(name)
        self._gaps.expire()
        self._gaps.open(lost)
        producers_of: dict[LogId, set[int]] = {}
        for item in lost:
            producers_of.setdefault(item.append.log, set()).add(producer_id_of(item))
        for log_id, producer_ids in producers_of.items():
            pending = self._logs.get(log_id)
            if pending is not None:
                self._complete_all(self._pop(pending, producer_ids), _AFTER_LOST)

    def view_changed(self, change: ClusterChange) -> None:
        """Advances all pending logs, and stops sending to a source whose fence begins."""
        for move in change.moves:
            log_id = LogId(move.topic_id, move.partition)
            if move.phase is MovePhase.FENCE and log_id in self.direct:
                self._advance(self._open_after_direct(log_id))
        if change.deleted_topics or change.is_snapshot:
            self._gaps.forget(self._is_unknown)
            self.direct.remove_all(self._is_unknown)
        for pending in tuple(self._logs.values()):
            self._advance(pending)

    def close(self) -> None:
        """Fails all pending appends."""
        for pending in tuple(self._logs.values()):
            error = BackendUnavailable("the gateway is stopping")
            for item in self._pop(pending):
                item.callback.fail(item.position, error)
            self._close(pending)

    def _open_after_direct(self, log_id: LogId) -> PendingLog:
        """Returns a new pending log that drains the owner to which appends were sent directly."""
        before = self.direct.remove(log_id)
        owner = None if before is None else self._owners.existing(before.owner)
        return self._open(log_id, owner)

    def _open(self, log_id: LogId, last_owner: AppendChannel | None) -> PendingLog:
        pending = self._logs[log_id] = PendingLog(log_id)
        on_drained = partial(self._on_drained, pending)
        if last_owner is None or not last_owner.notify_when_drained(log_id, on_drained):
            pending.become(PendingState.READY)
        return pending

    def _on_drained(self, pending: PendingLog) -> None:
        if not pending.is_closed:
            pending.become(PendingState.READY)
            self._advance(pending)

    def _advance(self, pending: PendingLog) -> None:
        """Sends the first pending append as a probe, or enters the state that waits for it."""
        if pending.is_in_flight or pending.is_closed:
            return
        if pending.state is not PendingState.READY:
            pending.become(PendingState.READY)
        pending.restore_order()
        placement = self._view.placement(*pending.log_id)
        if not pending.waiting:
            self._close(pending)
        elif placement is None:
            self._refuse(pending, _UNKNOWN)
        elif self._is_fenced(pending.log_id, placement):
            pending.become(PendingState.FENCED)
        elif self._is_lost(placement.owner):
            # Waiting for a connection would delay all later responses on the client's connection.
            self._refuse(pending, _NO_OWNER)
        elif (backoff_s := pending.backoff_s(placement)) > 0:
            pending.become(PendingState.BACKOFF)
            pending.retry_in(backoff_s, partial(self._advance, pending))
        else:
            self._probe(pending, placement)

    def _probe(self, pending: PendingLog, placement: Placement) -> None:
        owner = self._owners.get(placement.owner)
        if owner is None:
            self._refuse(pending, _NO_OWNER)
            return
        item = pending.waiting.popleft()
        self._bytes -= item.size
        pending.become(PendingState.PROBING)
        probe = Probe(pending, item, placement, self._on_probe_result, self._on_probe_failure)
        owner.send(with_placement(placement, item._replace(callback=probe)))

    def _on_probe_result(self, probe: Probe, result: AppendResult) -> None:
        """Sends the rest if the owner accepted or judged the probe, else keeps the probe too."""
        pending, item = probe.pending, probe.item
        if pending.is_closed:
            item.callback.complete(item.position, result)
            return
        was_overdue = pending.state is PendingState.OVERDUE
        pending.become(PendingState.READY)
        if result.refusal in STALE:
            pending.on_rejected(result, probe.placement)
            pending.waiting.appendleft(item)
            self._account(pending, item)
            if was_overdue:
                self._expire(pending)
        else:
            item.callback.complete(item.position, result)
            if self._confirms(probe, result):
                self._release(pending, probe.placement)
        self._advance(pending)

    def _confirms(self, probe: Probe, result: AppendResult) -> bool:
        """True if `result` shows that the owner has the placement that is current here."""
        # Owners report storage errors before they check the placement.
        if result.refusal is Refusal.KAFKA_STORAGE_ERROR:
            return False
        return self._view.placement(*probe.pending.log_id) == probe.placement

    def _release(self, pending: PendingLog, placement: Placement) -> None:
        """Sends all pending appends, and lets later ones be sent directly."""
        owner = self._owners.get(placement.owner)
        if owner is None or self._is_fenced(pending.log_id, placement):
            return
        self.direct.add(pending.log_id, placement, has_gaps=self._gaps.exist_in(pending.log_id))
        items = self._pop(pending)
        self._close(pending)
        owner.send(*(with_placement(placement, item) for item in items))

    def _on_probe_failure(self, probe: Probe, error: BackendUnavailable) -> None:
        """Refuses the pending appends too: they would fail the same way, one by one."""
        pending, item = probe.pending, probe.item
        item.callback.fail(item.position, error)
        if not pending.is_closed:
            pending.become(PendingState.READY)
            self._refuse(pending, _NO_OWNER)

    def _expire(self, pending: PendingLog) -> None:
        """Refuses all appends of a log, so that none overtakes: clients look for the owner."""
        pending.cancel_timers()
        if pending.state is PendingState.PROBING:
            pending.become(PendingState.OVERDUE)
        if not pending.waiting and not pending.requeued:
            return  # the only one is with an owner
        topic = self._view.topic_by_id(pending.log_id.topic_id)
        log.warning(
            "appends to %s-%d timed out after %g s without an owner: %s",
            pending.log_id.topic_id.hex() if topic is None else topic.name,
            pending.log_id.partition,
            self._hold_s,
            pending.refusal.refusal.name if pending.refusal.refusal else "",
        )
        self._refuse(pending, pending.refusal)

    def _refuse(self, pending: PendingLog, result: AppendResult) -> None:
        self._complete_all(self._pop(pending), result)
        if not pending.is_in_flight:
            self._close(pending)

    def _complete_all(self, items: Sequence[QueuedAppend], refusal: AppendResult) -> None:
        self._gaps.open(items)
        for item in items:
            item.callback.complete(item.position, refusal)

    def _pop(self, pending: PendingLog, producer_ids: set[int] | None = None) -> list[QueuedAppend]:
        """Removes and returns the appends of these producers, or all (None), in order."""
        if producer_ids is None:
            items = pending.pop_all()
        else:
            items = pending.pop_matching(lambda item: producer_id_of(item) in producer_ids)
        self._bytes -= sum(item.size for item in items)
        return items

    def _send_guarded(self, item: QueuedAppend) -> bool:
        """Sends an append whose log needs no probe; returns False if it does."""
        log_id = item.append.log
        placement = self.direct.guarded.get(log_id)
        if placement is None or self._view.placement(*log_id) != placement:
            return False
        owner = self._owners.get(placement.owner)
        if owner is None:
            return False
        if not self._gaps.exist_in(log_id):
            self.direct.add(log_id, placement, has_gaps=False)
        owner.send(with_placement(placement, item))
        return True

    def _account(self, pending: PendingLog, item: QueuedAppend) -> None:
        self._bytes += item.size
        pending.set_deadline(self._hold_s, partial(self._expire, pending))

    def _close(self, pending: PendingLog) -> None:
        pending.cancel_timers()
        pending.become(PendingState.CLOSED)
        del self._logs[pending.log_id]

    def _is_lost(self, name: str) -> bool:
        owner = self._owners.get(name)
        return owner is not None and owner.is_lost

    def _is_unknown(self, log_id: LogId) -> bool:
        return self._view.placement(*log_id) is None

    def _is_fenced(self, log_id: LogId, placement: Placement) -> bool:
        move = self._view.move_of(*log_id)
        if move is None or move.phase is not MovePhase.FENCE:
            return False
        return (move.source, move.leader_epoch) == placement

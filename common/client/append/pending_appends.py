"""Appends that cannot go to their owner yet: it moves, or one of us has not heard that it did.

They wait in the order of the calls, log by log, and go on when the placement changes, for at most
`hold_s`. The order of a log is kept whatever happens:

* As long as an owner has appends of a log without an answer, nothing of that log goes to another,
  and what the owner refused goes before what came later.
* The first append to an owner that has not taken one yet goes alone. If it is refused, because the
  owner has not heard of its luck, what follows could be accepted a moment later.
* When appends are lost with their stream, the producer's later appends must not overtake its
  retries: those that are held are refused with the lost ones, and later ones are refused until the
  first lost one comes again (`common/records/sequence_gaps.py`).
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from common.client.append.append_batch import STALE, AppendPath, Item, under
from common.client.append.direct_logs import SettledLogs
from common.client.append.pending_log import HeldLog, Probe
from common.client.append.producer_gaps import ProducerGaps, producer_id_of
from common.client.connections import Owners
from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement
from common.ports.moves import MovePhase
from common.ports.partitions import AppendResult, LogId, Refusal
from common.ports.unavailable import BackendUnavailable

log = logging.getLogger(__name__)

_UNKNOWN: Final = AppendResult(refusal=Refusal.UNKNOWN_TOPIC_OR_PARTITION)
_NOBODY: Final = AppendResult(refusal=Refusal.NOT_OWNER)
_AFTER_LOST: Final = AppendResult(
    refusal=Refusal.NOT_OWNER, message="an earlier batch was lost and is to come first"
)


class HeldAppends:
    """Implements `AppendTaker`. Tell it of every change of the view, after the view has it.

    Appends of logs that are not in `settled.free` are added here.
    """

    def __init__(self, view: ClusterView, owners: Owners, *, hold_s: float, bytes_max: int) -> None:
        """Past `bytes_max` of held batches in all, what comes is refused at once."""
        self.settled = SettledLogs()
        self._gaps = ProducerGaps()
        self._view = view
        self._owners = owners
        self._hold_s = hold_s
        self._bytes_max = bytes_max
        self._bytes = 0
        self._logs: dict[LogId, HeldLog] = {}

    def add(self, item: Item) -> None:
        """Sends it when its turn has come; that may be now."""
        log_id = item.append.log
        if not self._gaps.admit(item):
            item.settler.settle(item.position, _AFTER_LOST)
            return
        held = self._logs.get(log_id)
        if held is None:
            if self._send_guarded(item):
                return
            held = self._unsettle(log_id)
        if self._bytes + item.size > self._bytes_max:
            self._gaps.open([item])
            item.settler.settle(item.position, held.refusal)
        else:
            held.waiting.append(item)
            self._keep(held, item)
        self._go_on(held)

    def take_back(
        self, owner: AppendPath, append_id: int, item: Item, result: AppendResult
    ) -> None:
        """As `AppendTaker.take_back`."""
        if isinstance(item.settler, Probe):
            item.settler.settle(item.position, result)
            return
        log_id = item.append.log
        held = self._logs.get(log_id)
        if held is None:
            self.settled.remove(log_id)
            held = self._logs[log_id] = HeldLog(log_id)
            held.is_out = owner.when_answered(log_id, partial(self._answered, held))
        placement = self._view.placement(*log_id)
        is_current = placement is not None and placement.leader_epoch == item.append.leader_epoch
        held.refused(result, placement if is_current else None)
        held.returned.append((append_id, item))
        self._keep(held, item)
        self._go_on(held)

    def owner_lost(self, name: str, lost: Sequence[Item]) -> None:
        """As `AppendTaker.owner_lost`: it may not know yet what it owns when it is back."""
        self.settled.remove_owned_by(name)
        self._gaps.expire()
        self._gaps.open(lost)
        producers_of: dict[LogId, set[int]] = {}
        for item in lost:
            producers_of.setdefault(item.append.log, set()).add(producer_id_of(item))
        for log_id, producer_ids in producers_of.items():
            held = self._logs.get(log_id)
            if held is not None:
                self._settle_all(self._taken_out(held, producer_ids), _AFTER_LOST)

    def view_changed(self, change: ClusterChange) -> None:
        """Goes on with what waits, and stops what is about to be refused."""
        for move in change.moves:
            log_id = LogId(move.topic_id, move.partition)
            if move.phase is MovePhase.FENCE and log_id in self.settled:
                self._go_on(self._unsettle(log_id))
        if change.topics_gone or change.is_snapshot:
            self._gaps.forget(self._is_unknown)
            self.settled.remove_all(self._is_unknown)
        for held in tuple(self._logs.values()):
            self._go_on(held)

    def close(self) -> None:
        """Fails all that waits here."""
        for held in tuple(self._logs.values()):
            self._lose(held, BackendUnavailable("the gateway is stopping"))
            self._end(held)

    def _unsettle(self, log_id: LogId) -> HeldLog:
        """Holds a log from now on; it goes on when its last owner has answered everything."""
        before = self.settled.remove(log_id)
        held = self._logs[log_id] = HeldLog(log_id)
        owner = None if before is None else self._owners.connected(before.owner)
        if owner is not None:
            held.is_out = owner.when_answered(log_id, partial(self._answered, held))
        return held

    def _answered(self, held: HeldLog) -> None:
        held.is_out = False
        self._go_on(held)

    def _go_on(self, held: HeldLog) -> None:
        """Sends the first append that waits, where nothing is in the way."""
        if held.is_out or not self._is_held(held):
            return
        held.restore_order()
        placement = self._view.placement(*held.log_id)
        if not held.waiting:
            self._end(held)
        elif placement is None:
            self._refuse(held, _UNKNOWN)
        elif self._is_fenced(held.log_id, placement):
            return  # until the view changes
        elif self._is_lost(placement.owner):
            # To wait for a connection would delay all later responses of its client.
            self._refuse(held, _NOBODY)
        elif (pause_s := held.pause_s(placement)) > 0:
            held.retry_in(pause_s, partial(self._go_on, held))
        else:
            self._probe(held, placement)

    def _probe(self, held: HeldLog, placement: Placement) -> None:
        owner = self._owners.named(placement.owner)
        if owner is None:
            self._refuse(held, _NOBODY)
            return
        item = held.waiting.popleft()
        self._bytes -= item.size
        held.is_out, held.is_overdue = True, False
        probe = Probe(held, item, placement, self._probed, self._probe_lost)
        owner.send(under(placement, item._replace(settler=probe)))

    def _probed(self, probe: Probe, result: AppendResult) -> None:
        """The first append of a log is answered: what waits may follow, or not yet."""
        held, item, placement = probe.held, probe.item, probe.placement
        held.is_out = False
        if result.refusal in STALE and self._is_held(held):
            held.refused(result, placement)
            held.waiting.appendleft(item)
            self._keep(held, item)
            if held.is_overdue:
                self._expire(held)
            self._go_on(held)
            return
        item.settler.settle(item.position, result)
        # A disk that fails is told before anybody looks who owns what.
        is_owner = result.refusal is not Refusal.KAFKA_STORAGE_ERROR
        if is_owner and self._is_held(held) and self._view.placement(*held.log_id) == placement:
            self._release(held, placement)
        else:
            self._go_on(held)

    def _release(self, held: HeldLog, placement: Placement) -> None:
        owner = self._owners.named(placement.owner)
        if owner is None or self._is_fenced(held.log_id, placement):
            self._go_on(held)
            return
        self.settled.add(held.log_id, placement, has_gaps=self._gaps.exist_in(held.log_id))
        items = held.take_all()
        self._bytes -= sum(item.size for item in items)
        self._end(held)
        owner.send(*(under(placement, item) for item in items))

    def _probe_lost(self, probe: Probe, error: BackendUnavailable) -> None:
        """Nobody is there. What waits was never sent, and would learn the same one by one."""
        probe.held.is_out = False
        probe.item.settler.lose(probe.item.position, error)
        self._refuse(probe.held, _NOBODY)
        self._go_on(probe.held)

    def _expire(self, held: HeldLog) -> None:
        """Tells clients to look for the owner themselves. All of a log, so that none overtakes."""
        held.cancel_timers()
        held.is_overdue = held.is_out
        if not held.waiting and not held.returned:
            return  # the only one is at an owner now
        topic = self._view.topic_by_id(held.log_id.topic_id)
        log.warning(
            "nobody took appends to %s-%d for %g s: %s",
            held.log_id.topic_id.hex() if topic is None else topic.name,
            held.log_id.partition,
            self._hold_s,
            held.refusal.refusal.name if held.refusal.refusal else "",
        )
        self._refuse(held, held.refusal)

    def _refuse(self, held: HeldLog, result: AppendResult) -> None:
        self._settle_all(self._taken_out(held), result)
        if not held.is_out:
            self._end(held)

    def _settle_all(self, items: Sequence[Item], result: AppendResult) -> None:
        self._gaps.open(items)
        for item in items:
            item.settler.settle(item.position, result)

    def _lose(self, held: HeldLog, error: BackendUnavailable) -> None:
        for item in self._taken_out(held):
            item.settler.lose(item.position, error)

    def _taken_out(self, held: HeldLog, producer_ids: set[int] | None = None) -> list[Item]:
        """Takes out what is held, of these producers or of all, in order."""
        if producer_ids is None:
            items = held.take_all()
        else:
            items = held.take(lambda item: producer_id_of(item) in producer_ids)
        self._bytes -= sum(item.size for item in items)
        return items

    def _send_guarded(self, item: Item) -> bool:
        """Sends an append that was admitted, where its log needs no probe."""
        log_id = item.append.log
        placement = self.settled.guarded.get(log_id)
        if placement is None or self._view.placement(*log_id) != placement:
            return False
        owner = self._owners.named(placement.owner)
        if owner is None:
            return False
        if not self._gaps.exist_in(log_id):
            self.settled.add(log_id, placement, has_gaps=False)
        owner.send(under(placement, item))
        return True

    def _keep(self, held: HeldLog, item: Item) -> None:
        self._bytes += item.size
        held.set_deadline(self._hold_s, partial(self._expire, held))

    def _end(self, held: HeldLog) -> None:
        held.cancel_timers()
        if self._is_held(held):
            del self._logs[held.log_id]

    def _is_lost(self, name: str) -> bool:
        owner = self._owners.named(name)
        return owner is not None and owner.is_lost

    def _is_unknown(self, log_id: LogId) -> bool:
        return self._view.placement(*log_id) is None

    def _is_held(self, held: HeldLog) -> bool:
        return self._logs.get(held.log_id) is held

    def _is_fenced(self, log_id: LogId, placement: Placement) -> bool:
        move = self._view.move_of(*log_id)
        if move is None or move.phase is not MovePhase.FENCE:
            return False
        return (move.source, move.leader_epoch) == placement

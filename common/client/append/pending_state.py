"""The state machine of a log whose appends cannot be sent directly.

A log enters it when its placement changes or an owner rejects one of its appends, and leaves it
when an owner has accepted an append under the current placement. Meanwhile its appends wait in the
order of the calls, and at most one of them, the probe, is with an owner:

* DRAINING: the last owner has not responded to all appends that were pipelined to it. Nothing may
  be sent before, to any owner: what it rejects goes first.
* READY: no append is with an owner. `PendingAppends` decides at once what comes next, so that a
  log is in this state only within one call.
* FENCED: the log is in the FENCE phase of a move. Only a change of the view continues it.
* BACKOFF: the owner rejected the last probe. A timer or a change of the view continues it.
* PROBING: one append is with the owner. Were several pipelined to an owner that has not received
  the change yet, it could reject the first and accept the second.
* OVERDUE: as PROBING, past the deadline of the log: the probe is not kept for another attempt.
* CLOSED: the log has no pending appends and `PendingAppends` has dropped it: its appends were
  sent or refused.

`TRANSITIONS` has every permitted change of state. `PendingLog.become` checks it, and a unit test
checks that simulated moves and restarts use each of them.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class PendingState(Enum):
    """The state of one pending log."""

    DRAINING = auto()
    READY = auto()
    FENCED = auto()
    BACKOFF = auto()
    PROBING = auto()
    OVERDUE = auto()
    CLOSED = auto()


_S = PendingState

TRANSITIONS: Final[Mapping[PendingState, frozenset[PendingState]]] = {
    # All responses are in; or the process stops.
    _S.DRAINING: frozenset({_S.READY, _S.CLOSED}),
    # A fence, a backoff, the probe is sent; or nothing is pending, or all of it is refused.
    _S.READY: frozenset({_S.FENCED, _S.BACKOFF, _S.PROBING, _S.CLOSED}),
    # The view changes or an append arrives; or the deadline passes, or the process stops.
    _S.FENCED: frozenset({_S.READY, _S.CLOSED}),
    # The timer fires, the view changes or an append arrives; or the deadline passes, or a stop.
    _S.BACKOFF: frozenset({_S.READY, _S.CLOSED}),
    # The probe has a response; the deadline passes; or the process stops.
    _S.PROBING: frozenset({_S.READY, _S.OVERDUE, _S.CLOSED}),
    # The probe has a response; or the process stops.
    _S.OVERDUE: frozenset({_S.READY, _S.CLOSED}),
    _S.CLOSED: frozenset(),
}

#: States in which an owner has appends of the log: nothing more may be sent.
IN_FLIGHT: Final = frozenset({_S.DRAINING, _S.PROBING, _S.OVERDUE})

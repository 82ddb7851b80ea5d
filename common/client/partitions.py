"""The port `Partitions` over all partition services: each call goes to the owners of its logs.

A call that concerns one owner passes straight through. Every call carries a leader epoch, the
caller's if it gives one and else the view's, so that an owner that was replaced cannot respond. If
the epochs show that the placement changes, appends are buffered (`append/pending_appends.py`) and
queries are retried (`retry.py`).

Logs without a known owner get the refusal NOT_OWNER. If several owners are concerned, the logs of
one that does not respond get NO_RESPONSE, and the results of the others are kept.
"""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from common.client.append.append_call import AppendCall, QueuedAppend
from common.client.append.pending_appends import PendingAppends
from common.client.connections import MemberConnections
from common.client.fan_out import merge_results
from common.client.fetch.multi_fetch import multi_fetch
from common.client.leader_epochs import with_epochs
from common.client.owner import ConnectOwner, OwnerConnection
from common.client.retry import PlacementRetrier
from common.cluster.view import ClusterView
from common.ports.coordinators import Coordinators
from common.ports.metadata import ClusterChange
from common.ports.partitions import (
    Append,
    AppendResult,
    EpochEndOffset,
    EpochQuery,
    FetchQuery,
    FetchResult,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
    Partitions,
    Refusal,
)

#: Pending appends of all clients together; the memory of requests is limited elsewhere too.
_PENDING_BYTES_MAX: Final = 256 << 20

#: An owner and the positions of a call's items that concern it.
_Share = tuple[OwnerConnection, list[int]]


class RoutedPartitions(Partitions):
    """Call `view_changed` after each change of `view`. To be closed."""

    def __init__(
        self,
        view: ClusterView,
        connect: ConnectOwner,
        *,
        hold_s: float = 10.0,
        pending_bytes_max: int = _PENDING_BYTES_MAX,
    ) -> None:
        """Calls to a partition that moves wait at most `hold_s` for its owner."""
        self._view = view
        self._connect = connect
        self._hold_ms = int(hold_s * 1000)
        self._owners = MemberConnections(view, self._connect_owner)
        self._pending = PendingAppends(
            view, self._owners, hold_s=hold_s, bytes_max=pending_bytes_max
        )
        self._retrier = PlacementRetrier(view, hold_s=hold_s)

    def _connect_owner(self, name: str, address: str) -> OwnerConnection:
        return self._connect(name, address, self._pending)

    def view_changed(self, change: ClusterChange) -> None:
        """Applies a change that `view` has applied."""
        self._owners.view_changed()
        self._pending.view_changed(change)
        self._retrier.view_changed()

    def coordinators_of(self, name: str) -> Coordinators | None:
        """Returns the group coordinators of a partition service; None if it is unknown."""
        owner = self._owners.get(name)
        return None if owner is None else owner.coordinators

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """Appends as `Partitions.append`, but with the leader epochs of the view."""
        if len(appends) == 1:
            # Fast path: most requests of many clients have one batch.
            placement = self._view.placement(*appends[0].log)
            if placement is not None and self._pending.direct.free.get(appends[0].log) == placement:
                owner = self._owners.get(placement.owner)
                if owner is not None:
                    appends[0].leader_epoch = placement.leader_epoch
                    return owner.append(appends, acks=acks)
        return self._append_each(appends, acks)

    def _append_each(self, appends: Sequence[Append], acks: int) -> "Future[list[AppendResult]]":
        """Sends the appends of direct logs together to each owner; the others become pending."""
        call = AppendCall(len(appends))
        by_owner: dict[str, list[QueuedAppend]] = {}
        now = asyncio.get_running_loop().time()
        for position, append in enumerate(appends):
            item = QueuedAppend(append, acks, call, position, now)
            placement = self._view.placement(*append.log)
            if placement is None:
                call.complete(position, AppendResult(refusal=Refusal.UNKNOWN_TOPIC_OR_PARTITION))
            elif self._pending.direct.free.get(append.log) == placement:
                append.leader_epoch = placement.leader_epoch
                by_owner.setdefault(placement.owner, []).append(item)
            else:
                self._pending.add(item)
        for name, items in by_owner.items():
            owner = self._owners.get(name)
            if owner is not None:
                owner.send(*items)
                continue
            for item in items:
                call.complete(item.position, AppendResult(refusal=Refusal.NOT_OWNER))
        return call.future

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        return await self._retrier.run(
            partial(self._fetch, query), query.partitions, max_wait_ms=query.max_wait_ms
        )

    async def list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        return await self._retrier.run(
            lambda _: self._list_offsets(with_epochs(queries, self._view)),
            queries,
            max_wait_ms=self._hold_ms,
        )

    async def epoch_end_offsets(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        return await self._retrier.run(
            lambda _: self._epoch_end_offsets(with_epochs(queries, self._view)),
            queries,
            max_wait_ms=self._hold_ms,
        )

    async def describe_logs(self, logs: Sequence[LogId]) -> list[LogDescription]:
        """See `Partitions.describe_logs`. Without `logs` it skips owners that do not respond."""
        if not logs:
            requests = [owner.describe_logs([]) for owner in self._owners.all()]
            responses = await asyncio.gather(*requests, return_exceptions=True)
            return [log for logs in responses if isinstance(logs, list) for log in logs]
        shares, missing = self._shares(logs)
        calls = [
            (owner.describe_logs([logs[at] for at in positions]), positions)
            for owner, positions in shares
        ]
        return await merge_results(
            calls, missing, len(logs), lambda at, why: LogDescription(logs[at], refusal=why)
        )

    async def close(self) -> None:
        """Closes all connections. Calls without a response fail."""
        self._pending.close()
        await self._owners.close()

    async def _fetch(self, query: FetchQuery, max_wait_ms: int) -> list[FetchResult]:
        partitions = with_epochs(query.partitions, self._view)
        if partitions is not query.partitions or max_wait_ms != query.max_wait_ms:
            query = replace(query, partitions=partitions, max_wait_ms=max_wait_ms)
        shares, missing = self._shares([partition.log for partition in partitions])
        if len(shares) == 1 and not missing:
            ((owner, _),) = shares
            if not owner.is_lost:
                return await owner.fetch(query)
        lost = [position for owner, positions in shares if owner.is_lost for position in positions]
        connected = [(owner, positions) for owner, positions in shares if not owner.is_lost]
        return await multi_fetch(query, connected, missing, lost)

    async def _list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        shares, missing = self._shares([query.log for query in queries])
        calls = [
            (owner.list_offsets([queries[at] for at in positions]), positions)
            for owner, positions in shares
        ]
        return await merge_results(
            calls, missing, len(queries), lambda _, why: OffsetResult(refusal=why)
        )

    async def _epoch_end_offsets(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        shares, missing = self._shares([query.log for query in queries])
        calls = [
            (owner.epoch_end_offsets([queries[at] for at in positions]), positions)
            for owner, positions in shares
        ]
        return await merge_results(
            calls, missing, len(queries), lambda _, why: EpochEndOffset(refusal=why)
        )

    def _shares(self, logs: Sequence[LogId]) -> tuple[list[_Share], dict[int, Refusal]]:
        """Returns the positions of `logs` by owner, and the refusals of those without one."""
        by_owner: dict[str, list[int]] = {}
        missing: dict[int, Refusal] = {}
        for position, log in enumerate(logs):
            placement = self._view.placement(log.topic_id, log.partition)
            if placement is None:
                missing[position] = Refusal.UNKNOWN_TOPIC_OR_PARTITION
            else:
                by_owner.setdefault(placement.owner, []).append(position)
        shares: list[_Share] = []
        for name, positions in by_owner.items():
            owner = self._owners.get(name)
            if owner is None:
                missing.update(dict.fromkeys(positions, Refusal.NOT_OWNER))
            else:
                shares.append((owner, positions))
        return shares, missing

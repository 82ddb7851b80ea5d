"""The port `Partitions` over all partition services: each log's calls go to its owner.

A call that concerns one owner passes straight through. Every call carries a leader epoch, the
caller's where it gives one and else ours, so that an owner that was replaced cannot answer. Where
that shows that the placement changes, appends are held (`pending_appends.py`) and questions asked
again (`retry.py`).

Logs whose owner nobody knows get the refusal NOT_OWNER. Where several owners are concerned, the
logs of one that does not answer get NO_RESPONSE: what the others say must not be lost.
"""

import asyncio
from asyncio import Future
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from common.client.append.append_batch import Item, Submission
from common.client.append.pending_appends import HeldAppends
from common.client.connections import OwnedPartitions, Owners
from common.client.fan_out import gathered
from common.client.fetch.multi_fetch import joint_fetch
from common.client.leader_epochs import with_epochs
from common.client.retry import AskingAgain
from common.cluster.view import ClusterView
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

#: What is held of all clients together; requests in memory are bounded elsewhere too.
_HELD_BYTES_MAX: Final = 256 << 20


#: Positions of a call's items that concern one owner, and that owner.
_Share = tuple[OwnedPartitions, list[int]]


class RoutedPartitions(Partitions):
    """Over `owners`. Whoever changes `view` calls `view_changed` afterwards."""

    def __init__(
        self,
        view: ClusterView,
        owners: Owners,
        *,
        hold_s: float = 10.0,
        held_bytes_max: int = _HELD_BYTES_MAX,
    ) -> None:
        """`hold_s` and `held_bytes_max` bound what waits for partitions that move."""
        self._view = view
        self._owners = owners
        self._hold_ms = int(hold_s * 1000)
        self._held = HeldAppends(view, owners, hold_s=hold_s, bytes_max=held_bytes_max)
        self._asking = AskingAgain(view, hold_s=hold_s)
        owners.taker = self._held

    def view_changed(self, change: ClusterChange) -> None:
        self._owners.view_changed()
        self._held.view_changed(change)
        self._asking.view_changed()

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        """As the port has it; under the leader epochs that we know, whatever `appends` say."""
        if len(appends) == 1:
            # As most requests of many clients are: worth a short way.
            placement = self._view.placement(*appends[0].log)
            if placement is not None and self._held.settled.free.get(appends[0].log) == placement:
                owner = self._owners.named(placement.owner)
                if owner is not None:
                    appends[0].leader_epoch = placement.leader_epoch
                    return owner.append(appends, acks=acks)
        return self._append_each(appends, acks)

    def _append_each(self, appends: Sequence[Append], acks: int) -> "Future[list[AppendResult]]":
        """What can go on its way goes with others to the same owner; the rest is held."""
        submission = Submission(len(appends))
        by_owner: dict[str, list[Item]] = {}
        now = asyncio.get_running_loop().time()
        for position, append in enumerate(appends):
            item = Item(append, acks, submission, position, now)
            placement = self._view.placement(*append.log)
            if placement is None:
                submission.settle(
                    position, AppendResult(refusal=Refusal.UNKNOWN_TOPIC_OR_PARTITION)
                )
            elif self._held.settled.free.get(append.log) == placement:
                append.leader_epoch = placement.leader_epoch
                by_owner.setdefault(placement.owner, []).append(item)
            else:
                self._held.add(item)
        for name, items in by_owner.items():
            owner = self._owners.named(name)
            if owner is not None:
                owner.send(*items)
                continue
            for item in items:
                submission.settle(item.position, AppendResult(refusal=Refusal.NOT_OWNER))
        return submission.future

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        return await self._asking.ask(
            partial(self._fetch, query), query.partitions, max_wait_ms=query.max_wait_ms
        )

    async def list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        return await self._asking.ask(
            lambda _: self._list_offsets(with_epochs(queries, self._view)),
            queries,
            max_wait_ms=self._hold_ms,
        )

    async def epoch_end_offsets(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        return await self._asking.ask(
            lambda _: self._epoch_end_offsets(with_epochs(queries, self._view)),
            queries,
            max_wait_ms=self._hold_ms,
        )

    async def describe_logs(self, logs: Sequence[LogId]) -> list[LogDescription]:
        """All logs of all owners that answer where `logs` is empty."""
        if not logs:
            everyone = [owner.describe_logs([]) for owner in self._owners.all()]
            answers = await asyncio.gather(*everyone, return_exceptions=True)
            return [one for answer in answers if isinstance(answer, list) for one in answer]
        shares, missing = self._shares(logs)
        begun = [
            (owner.describe_logs([logs[at] for at in positions]), positions)
            for owner, positions in shares
        ]
        return await gathered(
            begun, missing, len(logs), lambda at, why: LogDescription(logs[at], refusal=why)
        )

    async def close(self) -> None:
        """Fails what has no answer yet."""
        self._held.close()
        await self._owners.close()

    async def _fetch(self, query: FetchQuery, max_wait_ms: int) -> list[FetchResult]:
        partitions = with_epochs(query.partitions, self._view)
        if partitions is not query.partitions or max_wait_ms != query.max_wait_ms:
            query = replace(query, partitions=partitions, max_wait_ms=max_wait_ms)
        shares, missing = self._shares([one.log for one in partitions])
        if len(shares) == 1 and not missing and not shares[0][0].is_lost:
            return await shares[0][0].fetch(query)
        lost = [position for owner, found in shares if owner.is_lost for position in found]
        connected = [share for share in shares if not share[0].is_lost]
        return await joint_fetch(query, connected, missing, lost)

    async def _list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        shares, missing = self._shares([one.log for one in queries])
        begun = [
            (owner.list_offsets([queries[at] for at in positions]), positions)
            for owner, positions in shares
        ]
        return await gathered(
            begun, missing, len(queries), lambda _, why: OffsetResult(refusal=why)
        )

    async def _epoch_end_offsets(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        shares, missing = self._shares([one.log for one in queries])
        begun = [
            (owner.epoch_end_offsets([queries[at] for at in positions]), positions)
            for owner, positions in shares
        ]
        return await gathered(
            begun, missing, len(queries), lambda _, why: EpochEndOffset(refusal=why)
        )

    def _shares(self, logs: Sequence[LogId]) -> tuple[list[_Share], dict[int, Refusal]]:
        """Who is asked about which positions, and what to say of those about which nobody is."""
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
            owner = self._owners.named(name)
            if owner is None:
                missing.update(dict.fromkeys(positions, Refusal.NOT_OWNER))
            else:
                shares.append((owner, positions))
        return shares, missing

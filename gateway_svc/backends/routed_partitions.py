"""The port `Partitions` over all partition services: each log's calls go to its owner.

A call that concerns one owner passes straight through. Logs whose owner is not known get the
refusal NOT_OWNER, which clients try again. So do, where several owners are concerned, the logs of
one that does not answer: what the others say must not be lost.
"""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from common.cluster_view import ClusterView
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
from common.ports.unavailable import BackendUnavailable
from gateway_svc.backends.joint_fetch import joint_fetch
from gateway_svc.backends.owners import Owners

ResultT = TypeVar("ResultT")

#: Positions of a call's items that concern one owner, and that owner.
_Share = tuple[Partitions, list[int]]


class RoutedPartitions:
    """Implements `common.ports.partitions.Partitions` over `owners`."""

    def __init__(self, view: ClusterView, owners: Owners) -> None:
        self._view = view
        self._owners = owners

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        if len(appends) == 1:
            # As most requests of many clients are: worth a short way.
            owner = self._owner(appends[0].log)
            if owner is not None:
                return owner.append(appends, acks=acks)
        shares, missing = self._shares([one.log for one in appends])
        if len(shares) == 1 and not missing:
            return shares[0][0].append(appends, acks=acks)
        # All are started before any is waited for: they must reach their logs in order.
        begun = [
            (owner.append([appends[at] for at in positions], acks=acks), positions)
            for owner, positions in shares
        ]
        return asyncio.ensure_future(_gathered(begun, missing, len(appends), _append_refused))

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        shares, missing = self._shares([one.log for one in query.partitions])
        if len(shares) == 1 and not missing:
            return await shares[0][0].fetch(query)
        return await joint_fetch(query, shares, missing)

    async def list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        shares, missing = self._shares([one.log for one in queries])
        begun = [
            (owner.list_offsets([queries[at] for at in positions]), positions)
            for owner, positions in shares
        ]
        return await _gathered(begun, missing, len(queries), _offset_refused)

    async def epoch_end_offsets(self, queries: Sequence[EpochQuery]) -> list[EpochEndOffset]:
        shares, missing = self._shares([one.log for one in queries])
        begun = [
            (owner.epoch_end_offsets([queries[at] for at in positions]), positions)
            for owner, positions in shares
        ]
        return await _gathered(
            begun, missing, len(queries), lambda _, why: EpochEndOffset(refusal=why)
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
        return await _gathered(
            begun, missing, len(logs), lambda at, why: LogDescription(logs[at], refusal=why)
        )

    async def close(self) -> None:
        await self._owners.close()

    def _owner(self, log: LogId) -> Partitions | None:
        placement = self._view.placement(*log)
        return None if placement is None else self._owners.named(placement.owner)

    def _shares(self, logs: Sequence[LogId]) -> tuple[list[_Share], dict[int, Refusal]]:
        """Who is asked about which positions, and what to say of those about which nobody is."""
        by_owner: dict[str, list[int]] = {}
        missing: dict[int, Refusal] = {}
        for position, log in enumerate(logs):
            placement = self._view.placement(log.topic_id, log.partition)
            if placement is None:
                missing[position] = Refusal.UNKNOWN_PARTITION
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


async def _gathered(
    begun: Sequence[tuple[Awaitable[list[ResultT]], list[int]]],
    missing: dict[int, Refusal],
    count: int,
    refused: Callable[[int, Refusal], ResultT],
) -> list[ResultT]:
    """The results of all owners in the order of what was asked.

    Raises:
        BackendUnavailable: from the only owner concerned, or where none of them answers.
    """
    answers = await asyncio.gather(*(one for one, _ in begun), return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    if errors and len(errors) == len(answers):
        raise errors[0]
    results = {position: refused(position, why) for position, why in missing.items()}
    for (_, positions), answer in zip(begun, answers, strict=True):
        for at, position in enumerate(positions):
            results[position] = (
                refused(position, _lost(answer))
                if isinstance(answer, BaseException)
                else answer[at]
            )
    return [results[position] for position in range(count)]


def _lost(error: BaseException) -> Refusal:
    if not isinstance(error, BackendUnavailable):
        raise error
    return Refusal.NOT_OWNER


def _append_refused(_: int, refusal: Refusal) -> AppendResult:
    return AppendResult(refusal=refusal)


def _offset_refused(_: int, refusal: Refusal) -> OffsetResult:
    return OffsetResult(refusal=refusal)

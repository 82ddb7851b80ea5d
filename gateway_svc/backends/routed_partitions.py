"""The port `Partitions` over all partition services: each call goes to who owns the log.

Ownership is what the view of the cluster says at the moment of the call. A log that nobody is
known to own is refused with NOT_OWNER, which makes clients look again.
"""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from common.cluster_view import ClusterView
from common.ports.metadata import Member
from common.ports.partitions import (
    Append,
    AppendResult,
    FetchPartition,
    FetchQuery,
    FetchResult,
    LogDescription,
    LogId,
    OffsetQuery,
    OffsetResult,
    Partitions,
    Refusal,
)
from gateway_svc.backends.fetching import fetch_from_all

Asked = TypeVar("Asked")
Result = TypeVar("Result")


class Owner(Partitions, Protocol):
    """A connection to one partition service."""

    async def close(self) -> None: ...


class _Share(NamedTuple):
    """The part of a call that one owner answers: its places in the whole call."""

    owner: Owner
    places: list[int]


class RoutedPartitions:
    """Implements `common.ports.partitions.Partitions`. One connection for each address."""

    def __init__(self, view: ClusterView, connect: Callable[[str], Owner]) -> None:
        """`connect` makes the port for an address; it must not wait."""
        self._view = view
        self._connect = connect
        self._owners: dict[str, Owner] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def append(self, appends: Sequence[Append], *, acks: int) -> "Future[list[AppendResult]]":
        shares, homeless = self._split([one.log for one in appends])
        if len(shares) == 1 and not homeless:
            return shares[0].owner.append(appends, acks=acks)
        # All are started here and now; only the waiting is left for later.
        waiting: list[Awaitable[list[AppendResult]]] = [
            share.owner.append([appends[place] for place in share.places], acks=acks)
            for share in shares
        ]
        results = [AppendResult(refusal=Refusal.NOT_OWNER) for _ in appends]
        return asyncio.ensure_future(_merged(results, shares, waiting))

    async def fetch(self, query: FetchQuery) -> list[FetchResult]:
        asked = query.partitions
        shares, homeless = self._split([one.log for one in asked])
        if len(shares) == 1 and not homeless:
            return await shares[0].owner.fetch(query)
        results = [FetchResult(refusal=Refusal.NOT_OWNER) for _ in asked]
        parts: list[tuple[Partitions, list[FetchPartition]]] = [
            (share.owner, [asked[place] for place in share.places]) for share in shares
        ]
        # A refusal is an answer: then nobody waits for data.
        answers = await fetch_from_all(parts, query, may_wait=not homeless)
        return _placed(results, shares, answers)

    async def list_offsets(self, queries: Sequence[OffsetQuery]) -> list[OffsetResult]:
        return await self._ask_each(
            queries,
            lambda query: query.log,
            lambda _: OffsetResult(refusal=Refusal.NOT_OWNER),
            lambda owner, part: owner.list_offsets(part),
        )

    async def describe_logs(self, logs: Sequence[LogId]) -> list[LogDescription]:
        return await self._ask_each(
            logs,
            lambda log: log,
            lambda log: LogDescription(log, refusal=Refusal.NOT_OWNER),
            lambda owner, part: owner.describe_logs(part),
        )

    def forget_absent(self) -> None:
        """Closes connections to addresses where no member is any more. Call after changes."""
        known = {member.address for member in self._view.members}
        for address in [one for one in self._owners if one not in known]:
            task = asyncio.ensure_future(self._owners.pop(address).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        owners, self._owners = list(self._owners.values()), {}
        await asyncio.gather(*(owner.close() for owner in owners), *self._closing)

    async def _ask_each(
        self,
        asked: Sequence[Asked],
        log_of: Callable[[Asked], LogId],
        homeless_result: Callable[[Asked], Result],
        ask: Callable[[Owner, list[Asked]], Coroutine[Any, Any, list[Result]]],
    ) -> list[Result]:
        shares, _ = self._split([log_of(one) for one in asked])
        results = [homeless_result(one) for one in asked]
        waiting: list[Awaitable[list[Result]]] = [
            ask(share.owner, [asked[place] for place in share.places]) for share in shares
        ]
        return await _merged(results, shares, waiting)

    def _split(self, logs: Sequence[LogId]) -> tuple[list[_Share], int]:
        """One share for each owner, and how many logs have none."""
        shares: dict[Hashable, _Share] = {}
        homeless = 0
        for place, log in enumerate(logs):
            owner = self._owner(log)
            if owner is None:
                homeless += 1
            elif id(owner) in shares:
                shares[id(owner)].places.append(place)
            else:
                shares[id(owner)] = _Share(owner, [place])
        return list(shares.values()), homeless

    def _owner(self, log: LogId) -> Owner | None:
        placement = self._view.placement(*log)
        member: Member | None = placement and self._view.member(placement.owner)
        if member is None:
            return None
        owner = self._owners.get(member.address)
        if owner is None:
            owner = self._owners[member.address] = self._connect(member.address)
        return owner


async def _merged(
    results: list[Result], shares: list[_Share], waiting: list[Awaitable[list[Result]]]
) -> list[Result]:
    return _placed(results, shares, await asyncio.gather(*waiting))


def _placed(
    results: list[Result], shares: list[_Share], answers: Sequence[list[Result]]
) -> list[Result]:
    """Puts what each owner answered into its places of the whole call."""
    for share, answer in zip(shares, answers, strict=True):
        for place, result in zip(share.places, answer, strict=True):
            results[place] = result
    return results

"""The leader epoch that a query carries: the client's, or the view's if the client gave none."""

from collections.abc import Sequence
from typing import TypeVar

from common.cluster.view import ClusterView
from common.ports.partitions import NO_LEADER_EPOCH, EpochQuery, FetchPartition, OffsetQuery

Query = FetchPartition | OffsetQuery | EpochQuery
QueryT = TypeVar("QueryT", FetchPartition, OffsetQuery, EpochQuery)


def has_client_epoch(query: Query) -> bool:
    """Returns True if the client gave the leader epoch that it knows (KIP-320)."""
    return _epoch(query) != NO_LEADER_EPOCH


def with_epochs(queries: Sequence[QueryT], view: ClusterView) -> Sequence[QueryT]:
    """Returns `queries`, or copies in which the view's epochs replace those that are missing."""
    if all(map(has_client_epoch, queries)):
        return queries
    return [
        query if has_client_epoch(query) else _with_epoch_of_view(query, view) for query in queries
    ]


def _with_epoch_of_view(query: QueryT, view: ClusterView) -> QueryT:
    placement = view.placement(*query.log)
    return query if placement is None else _with_epoch(query, placement.leader_epoch)


def _epoch(query: Query) -> int:
    if isinstance(query, EpochQuery):
        return query.current_leader_epoch
    return query.leader_epoch


def _with_epoch(query: QueryT, epoch: int) -> QueryT:
    # Not dataclasses.replace, which costs five times as much.
    if isinstance(query, FetchPartition):
        return FetchPartition(query.log, query.fetch_offset, query.max_bytes, epoch)
    if isinstance(query, OffsetQuery):
        return OffsetQuery(query.log, query.timestamp, epoch, query.read_committed)
    return EpochQuery(query.log, query.leader_epoch, epoch)

"""Whose leader epoch a question to an owner carries: the client's, or where it gave none, ours."""

from collections.abc import Sequence
from typing import TypeVar

from common.cluster.view import ClusterView
from common.ports.partitions import NO_LEADER_EPOCH, EpochQuery, FetchPartition, OffsetQuery

Question = FetchPartition | OffsetQuery | EpochQuery
QuestionT = TypeVar("QuestionT", FetchPartition, OffsetQuery, EpochQuery)


def is_clients(question: Question) -> bool:
    """Whether the client said which epoch it believes in (KIP-320)."""
    return _epoch(question) != NO_LEADER_EPOCH


def with_epochs(questions: Sequence[QuestionT], view: ClusterView) -> Sequence[QuestionT]:
    """The questions with our epoch where the client gave none; copies, where there are such."""
    if all(map(is_clients, questions)):
        return questions
    return [one if is_clients(one) else _with_ours(one, view) for one in questions]


def _with_ours(question: QuestionT, view: ClusterView) -> QuestionT:
    placement = view.placement(*question.log)
    return question if placement is None else _with_epoch(question, placement.leader_epoch)


def _epoch(question: Question) -> int:
    if isinstance(question, EpochQuery):
        return question.current_leader_epoch
    return question.leader_epoch


def _with_epoch(question: QuestionT, epoch: int) -> QuestionT:
    # Not dataclasses.replace, which costs five times as much.
    if isinstance(question, FetchPartition):
        return FetchPartition(question.log, question.fetch_offset, question.max_bytes, epoch)
    if isinstance(question, OffsetQuery):
        return OffsetQuery(question.log, question.timestamp, epoch, question.read_committed)
    return EpochQuery(question.log, question.leader_epoch, epoch)

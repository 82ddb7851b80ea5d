"""Commits with a retention time (OffsetCommit 2 to 4), as old clients send them."""

from tests.support.clients.raw_client import RawClient
from tests.support.waiting import eventually
from tests.support.wire.group_apis import OFFSET_COMMIT
from tests.support.wire.kio_client import ask

WITH_ITS_GROUP = -1


def commit_with_retention(
    raw: RawClient, topic: str, group: str, offset: int, *, retention_ms: int = WITH_ITS_GROUP
) -> None:
    """Commits for partition 0 without being a member. Waits for a coordinator."""
    partition = {
        "partition_index": 0,
        "committed_offset": offset,
        "committed_metadata": None,
    }
    values = {
        "group_id": group,
        "generation_id_or_member_epoch": -1,
        "member_id": "",
        "retention_time": retention_ms,
        "topics": [{"name": topic, "partitions": [partition]}],
    }

    def is_accepted() -> bool:
        (response,) = ask(raw, OFFSET_COMMIT, 2, values).topics
        return not response.partitions[0].error_code

    eventually(is_accepted, what="a coordinator that accepts a commit")

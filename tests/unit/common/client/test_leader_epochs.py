import pytest

from common.client.leader_epochs import has_client_epoch, with_epochs
from common.ports.partitions import EpochQuery, FetchPartition, LogId, OffsetQuery
from tests.support.stores.partition_core import TOPIC_ID, topic
from tests.unit.common.client.owner import view_of

VIEW = view_of(topic(leader_epoch=5))
LOG, UNKNOWN_LOG = LogId(TOPIC_ID, 0), LogId(b"no such topic id", 0)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (FetchPartition(LOG, 7, 1000), FetchPartition(LOG, 7, 1000, 5)),
        (OffsetQuery(LOG, -1, read_committed=True), OffsetQuery(LOG, -1, 5, True)),
        (EpochQuery(LOG, 3), EpochQuery(LOG, 3, 5)),
    ],
)
def test_query_without_an_epoch_gets_that_of_the_placement(query, expected):
    assert not has_client_epoch(query)
    assert with_epochs([query], VIEW) == [expected]
    assert not has_client_epoch(query), "the client's query must not change"


@pytest.mark.parametrize(
    "query", [FetchPartition(LOG, 7, 1000, 4), OffsetQuery(LOG, -1, 4), EpochQuery(LOG, 3, 4)]
)
def test_client_epoch_is_kept(query):
    assert has_client_epoch(query)
    queries = [query]
    assert with_epochs(queries, VIEW) is queries
    with_both = with_epochs(
        [query, type(query)(UNKNOWN_LOG, 1, *([1] * isinstance(query, FetchPartition)))], VIEW
    )
    assert with_both[0] is query


def test_query_of_an_unknown_log_gets_no_epoch():
    query = OffsetQuery(UNKNOWN_LOG, -1)
    assert with_epochs([query], VIEW) == [query]

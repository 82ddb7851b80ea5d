import pytest

from common.client.leader_epochs import has_client_epoch, with_epochs
from common.ports.partitions import EpochQuery, FetchPartition, LogId, OffsetQuery
from tests.support.stores.partition_core import TOPIC_ID, topic
from tests.unit.common.client.owner import view_of

VIEW = view_of(topic(leader_epoch=5))
LOG, NOWHERE = LogId(TOPIC_ID, 0), LogId(b"no such topic id", 0)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (FetchPartition(LOG, 7, 1000), FetchPartition(LOG, 7, 1000, 5)),
        (OffsetQuery(LOG, -1, read_committed=True), OffsetQuery(LOG, -1, 5, True)),
        (EpochQuery(LOG, 3), EpochQuery(LOG, 3, 5)),
    ],
)
def test_query_without_an_epoch_gets_that_of_the_placement(asked, sent):
    assert not has_client_epoch(asked)
    assert with_epochs([asked], VIEW) == [sent]
    assert not has_client_epoch(asked), "the client's question is as it was"


@pytest.mark.parametrize(
    "asked", [FetchPartition(LOG, 7, 1000, 4), OffsetQuery(LOG, -1, 4), EpochQuery(LOG, 3, 4)]
)
def test_client_epoch_is_kept(asked):
    assert has_client_epoch(asked)
    questions = [asked]
    assert with_epochs(questions, VIEW) is questions
    both = with_epochs(
        [asked, type(asked)(NOWHERE, 1, *([1] * isinstance(asked, FetchPartition)))], VIEW
    )
    assert both[0] is asked


def test_query_of_an_unknown_log_gets_no_epoch():
    asked = OffsetQuery(NOWHERE, -1)
    assert with_epochs([asked], VIEW) == [asked]

import pytest

from common.ports.metadata import TopicRefusal
from common.ports.partitions import Refusal
from gateway_svc.dispatch.error_codes import APPEND_ERRORS, PARTITION_ERRORS, TOPIC_ERRORS
from gateway_svc.wire.error_code import ErrorCode


@pytest.mark.parametrize(
    ("refusals", "table"),
    [(Refusal, PARTITION_ERRORS), (Refusal, APPEND_ERRORS), (TopicRefusal, TOPIC_ERRORS)],
    ids=["partitions", "appends", "topics"],
)
def test_every_refusal_has_an_error_code(refusals, table):
    assert set(table) == set(refusals)
    assert ErrorCode.NONE not in table.values()
    assert ErrorCode.UNKNOWN_SERVER_ERROR not in table.values()


def test_epoch_errors_of_appends_make_clients_refresh_their_metadata():
    for refusal in (Refusal.FENCED_LEADER_EPOCH, Refusal.UNKNOWN_LEADER_EPOCH):
        assert APPEND_ERRORS[refusal] is ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert PARTITION_ERRORS[refusal] is not ErrorCode.NOT_LEADER_OR_FOLLOWER

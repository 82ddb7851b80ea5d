from common.ports.partitions import LogId
from partition_svc.log.compaction.uncleanable import UncleanableLogs

LOG, OTHER_LOG = LogId(b"topic of 16 byte", 0), LogId(b"topic of 16 byte", 1)


def test_a_reason_is_in_force_until_the_log_was_cleaned():
    uncleanable = UncleanableLogs()
    assert uncleanable.reason(LOG) == ""
    uncleanable.note(LOG, "a bug")
    assert (uncleanable.reason(LOG), uncleanable.reason(OTHER_LOG)) == ("a bug", "")
    uncleanable.clear(LOG)
    uncleanable.clear(OTHER_LOG)
    assert uncleanable.reason(LOG) == ""


def test_the_same_reason_is_logged_every_ten_minutes_and_a_new_one_at_once(caplog):
    now_s = 0.0
    uncleanable = UncleanableLogs(lambda: now_s)

    def lines():
        return [record.message for record in caplog.records]

    for now_s in (0.0, 15.0, 599.0):  # noqa: B007 - the clock reads it
        uncleanable.note(LOG, "a bug", ValueError("why"))
    assert len(lines()) == 1
    assert caplog.records[0].exc_info
    assert f"{LOG.topic_id.hex()}-0: a bug" in lines()[0]
    uncleanable.note(OTHER_LOG, "a bug")
    uncleanable.note(LOG, "another")
    assert len(lines()) == 3
    now_s = 1200.0
    uncleanable.note(LOG, "another")
    assert len(lines()) == 4


def test_retain_removes_other_logs():
    uncleanable = UncleanableLogs()
    uncleanable.note(LOG, "a bug")
    uncleanable.note(OTHER_LOG, "a bug")
    uncleanable.retain([OTHER_LOG])
    assert (uncleanable.reason(LOG), uncleanable.reason(OTHER_LOG)) == ("", "a bug")

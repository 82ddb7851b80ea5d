from common.ports.partitions import LogId
from partition_svc.log.compaction.uncleanable import UncleanableLogs

ONE, OTHER = LogId(b"topic of 16 byte", 0), LogId(b"topic of 16 byte", 1)


def test_a_reason_is_in_force_until_the_log_was_cleaned():
    found = UncleanableLogs()
    assert found.reason(ONE) == ""
    found.note(ONE, "a bug")
    assert (found.reason(ONE), found.reason(OTHER)) == ("a bug", "")
    found.clear(ONE)
    found.clear(OTHER)
    assert found.reason(ONE) == ""


def test_the_same_reason_is_logged_every_ten_minutes_and_a_new_one_at_once(caplog):
    now_s = 0.0
    found = UncleanableLogs(lambda: now_s)

    def lines():
        return [one.message for one in caplog.records]

    for now_s in (0.0, 15.0, 599.0):  # noqa: B007 - the clock reads it
        found.note(ONE, "a bug", ValueError("why"))
    assert len(lines()) == 1
    assert caplog.records[0].exc_info
    assert f"{ONE.topic_id.hex()}-0: a bug" in lines()[0]
    found.note(OTHER, "a bug")
    found.note(ONE, "another")
    assert len(lines()) == 3
    now_s = 1200.0
    found.note(ONE, "another")
    assert len(lines()) == 4


def test_retain_removes_other_logs():
    found = UncleanableLogs()
    found.note(ONE, "a bug")
    found.note(OTHER, "a bug")
    found.retain([OTHER])
    assert (found.reason(ONE), found.reason(OTHER)) == ("", "a bug")

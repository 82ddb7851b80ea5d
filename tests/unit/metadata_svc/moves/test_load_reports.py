from common.cluster.view import ClusterView
from common.ports.metadata import ClusterChange, Placement, Topic
from common.ports.moves import (
    DiskState,
    LogLoad,
    MemberReport,
    Move,
    MovePhase,
    MoveProgress,
)
from metadata_svc.moves.load_reports import RATE_WINDOW_S, LoadReports

TOPIC = Topic(bytes(16), "t", (Placement("a", 0), Placement("b", 0)))
MOVE = Move(7, TOPIC.topic_id, 0, "a", "b", 0, MovePhase.CATCH_UP)


def reports_and_view(on_change=lambda: None):
    view = ClusterView()
    view.apply(ClusterChange(0, "c", is_snapshot=True, topics=[TOPIC], moves=[MOVE]))
    return LoadReports(view, on_change=on_change), view


def load(partition, size=100, rate=1):
    return LogLoad(TOPIC.topic_id, partition, size, rate)


def report_progress(reports, now, copied, total=1_000, member="b"):
    reports.record(member, MemberReport([], [MoveProgress(7, copied, total)]), now=now)


def test_the_newest_report_of_the_owner_counts():
    reports, _ = reports_and_view()
    reports.record("a", MemberReport([load(0, 10), load(1, 99)]), now=0)
    reports.record("b", MemberReport([load(0, 50), load(1, 20)]), now=1)
    assert reports.sizes_by_member() == {"a": 10, "b": 20}
    reports.record("a", MemberReport([load(0, 11)]), now=2)
    assert reports.size_bytes((TOPIC.topic_id, 0)) == 11


def test_a_log_that_began_again_has_no_reported_size():
    reports, _ = reports_and_view()
    reports.record("a", MemberReport([load(0, 10)]), now=0)
    reports.forget_logs([(TOPIC.topic_id, 0), (TOPIC.topic_id, 1)])
    assert reports.size_bytes((TOPIC.topic_id, 0)) == 0
    assert reports.sizes_by_member().total() == 0


def test_reports_of_unknown_logs_are_ignored():
    reports, _ = reports_and_view()
    reports.record("a", MemberReport([LogLoad(b"x" * 16, 0, 5, 5), load(9)]), now=0)
    assert reports.sizes_by_member() == {}
    assert not reports.has_new_loads


def test_busier_partitions_rank_higher_and_idle_ones_by_size():
    reports, _ = reports_and_view()
    reports.record("a", MemberReport([load(0, size=5, rate=2)]), now=0)
    reports.record("b", MemberReport([load(1, size=900, rate=1)]), now=0)
    first, second = ((TOPIC.topic_id, number) for number in (0, 1))
    assert reports.load(first) > reports.load(second) > reports.load((TOPIC.topic_id, 2))


def test_deleted_topics_are_forgotten():
    reports, _ = reports_and_view()
    reports.record("a", MemberReport([load(0)]), now=0)
    reports.forget_topics([TOPIC.topic_id])
    assert reports.size_bytes((TOPIC.topic_id, 0)) == 0


def test_a_move_has_the_size_of_its_log_before_its_target_has_reported():
    reports, _ = reports_and_view()
    reports.record("a", MemberReport([load(0, 700)]), now=0)
    described = reports.describe(MOVE)
    assert (described.topic, described.copied_bytes, described.total_bytes) == ("t", 0, 700)
    assert described.bytes_per_second == 0


def test_the_rate_covers_the_last_seconds_only():
    reports, _ = reports_and_view()
    report_progress(reports, 0, 0)
    assert reports.describe(MOVE).bytes_per_second == 0
    report_progress(reports, 10, 100)
    assert reports.describe(MOVE).bytes_per_second == 10
    for step in range(1, 5):
        report_progress(reports, 10 + step * RATE_WINDOW_S, 100 + step * 1_000 * RATE_WINDOW_S)
    described = reports.describe(MOVE)
    assert described.bytes_per_second == 1_000
    assert (described.copied_bytes, described.total_bytes) == (100 + 4_000 * RATE_WINDOW_S, 1_000)


def test_the_rate_of_a_restarted_copy_is_not_negative():
    reports, _ = reports_and_view()
    report_progress(reports, 0, 500)
    report_progress(reports, 1, 0)
    assert reports.describe(MOVE).bytes_per_second == 0


def test_progress_is_accepted_from_the_target_only_and_ends_with_the_move():
    reports, view = reports_and_view()
    report_progress(reports, 0, 500, member="a")
    assert reports.describe(MOVE).copied_bytes == 0
    report_progress(reports, 1, 400)
    assert reports.describe(MOVE).copied_bytes == 400
    view.apply(ClusterChange(1, "c", ended_moves=[7]))
    reports.record("b", MemberReport(), now=2)
    assert reports.describe(MOVE).copied_bytes == 0


def test_room_is_the_reported_space_minus_the_bytes_that_moves_will_copy():
    reports, _ = reports_and_view()
    assert reports.room() == {}
    reports.record("b", MemberReport(disk=DiskState(5_000)), now=0)
    assert reports.room() == {"b": 5_000}
    report_progress(reports, 1, 400)
    assert reports.room() == {"b": 4_400}
    for now in (2, 3):
        reports.record("b", MemberReport([], [MoveProgress(7, 0, 1_000, "no room")]), now=now)
    # A move that makes no progress will not use the space.
    assert reports.room() == {"b": 5_000}


def test_a_move_is_stuck_when_its_target_reports_trouble_twice_in_a_row():
    changes = []
    reports, view = reports_and_view(lambda: changes.append(reports.stuck_moves))
    for trouble, stuck in (
        ("no room", []), ("", []), ("no room", []), ("no room", [7]), ("no room", [7]), ("", []),
    ):  # fmt: skip
        reports.record("b", MemberReport([], [MoveProgress(7, 0, 9, trouble)]), now=0)
        assert reports.stuck_moves == frozenset(stuck)
        assert reports.describe(MOVE).trouble == trouble
    assert changes == [{7}]
    view.apply(ClusterChange(1, "c", ended_moves=[7]))
    reports.record("b", MemberReport(), now=1)
    assert reports.describe(MOVE).trouble == ""


def test_a_member_is_unwritable_until_it_reports_otherwise():
    changes = []
    reports, _ = reports_and_view(lambda: changes.append(1))
    for is_writable in (True, False, False, True):
        reports.record("a", MemberReport(disk=DiskState(1, is_writable)), now=0)
        assert reports.unwritable == frozenset([] if is_writable else ["a"])
    assert len(changes) == 2
    assert reports.disk("a") == DiskState(1)
    assert reports.disk("b") is None


def test_a_move_has_the_size_of_its_log_while_the_target_knows_no_total():
    reports, _ = reports_and_view()
    reports.record("a", MemberReport([load(0, 500)]), now=0)
    report_progress(reports, 1, 0, total=0)
    assert reports.describe(MOVE).total_bytes == 500


def test_a_log_is_sized_as_soon_as_its_owner_has_reported():
    reports, _ = reports_and_view()
    key = TOPIC.topic_id, 0
    assert not reports.is_sized(key)
    reports.record("a", MemberReport(disk=DiskState(1)), now=0)
    # A log that the report does not name is empty.
    assert reports.is_sized(key)
    assert reports.size_bytes(key) == 0

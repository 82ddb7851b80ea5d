from common.client.append.direct_logs import DirectLogs
from common.ports.metadata import Placement
from common.ports.partitions import LogId

A, B, C = (LogId(b"x" * 16, n) for n in range(3))
FIRST, SECOND = Placement("p-0", 1), Placement("p-1", 2)


def test_logs_with_gaps_are_guarded_and_others_free():
    direct_logs = DirectLogs()
    direct_logs.add(A, FIRST, has_gaps=False)
    direct_logs.add(B, SECOND, has_gaps=True)
    assert (direct_logs.free, direct_logs.guarded) == ({A: FIRST}, {B: SECOND})
    direct_logs.add(B, SECOND, has_gaps=False)
    assert (direct_logs.free, direct_logs.guarded) == ({A: FIRST, B: SECOND}, {})
    assert A in direct_logs
    assert C not in direct_logs


def test_logs_are_removed_by_name_by_owner_and_by_condition():
    direct_logs = DirectLogs()
    for log, placement, has_gaps in ((A, FIRST, False), (B, FIRST, True), (C, SECOND, True)):
        direct_logs.add(log, placement, has_gaps=has_gaps)
    assert direct_logs.remove(A) == FIRST
    assert direct_logs.remove(A) is None
    direct_logs.remove_owned_by("p-0")
    assert direct_logs.guarded == {C: SECOND}
    direct_logs.remove_all(lambda log: log == C)
    assert C not in direct_logs

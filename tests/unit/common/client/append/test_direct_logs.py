from common.client.append.direct_logs import DirectLogs
from common.ports.metadata import Placement
from common.ports.partitions import LogId

A, B, C = (LogId(b"x" * 16, n) for n in range(3))
HERE, THERE = Placement("p-0", 1), Placement("p-1", 2)


def test_a_log_is_free_or_guarded():
    settled = DirectLogs()
    settled.add(A, HERE, has_gaps=False)
    settled.add(B, THERE, has_gaps=True)
    assert (settled.free, settled.guarded) == ({A: HERE}, {B: THERE})
    settled.add(B, THERE, has_gaps=False)
    assert (settled.free, settled.guarded) == ({A: HERE, B: THERE}, {})
    assert A in settled
    assert C not in settled


def test_logs_are_removed_by_name_by_owner_and_by_condition():
    settled = DirectLogs()
    for log, placement, has_gaps in ((A, HERE, False), (B, HERE, True), (C, THERE, True)):
        settled.add(log, placement, has_gaps=has_gaps)
    assert settled.remove(A) == HERE
    assert settled.remove(A) is None
    settled.remove_owned_by("p-0")
    assert settled.guarded == {C: THERE}
    settled.remove_all(lambda log: log == C)
    assert C not in settled

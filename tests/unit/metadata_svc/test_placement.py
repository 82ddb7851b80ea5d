from common.ports.metadata import Placement
from metadata_svc.placement import place


def test_all_partitions_go_to_the_first_live_member_by_name():
    assert place(2, {"partition-1", "partition-0"}) == (Placement("partition-0", 0),) * 2


def test_where_nobody_lives_nothing_is_placed():
    assert place(1, set()) is None

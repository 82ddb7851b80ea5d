import pytest

from benchmarks.micro import ring


def test_a_case_tells_loads_and_what_moved():
    case = ring.measure(3, 30)
    assert (case.fewest, case.most) == (10, 10)
    # A fourth member gets 30 // 4; of eight members, 30 // 8 or one more leave with the first.
    assert case.join_moves == 7
    assert 4 <= case.leave_moves <= 8
    assert "10 … 10" in ring.render([case])


def test_loads_over_the_cap_are_not_reported_but_stop_it():
    keys = [(bytes(16), partition) for partition in range(9)]
    with pytest.raises(AssertionError, match="more than 3"):
        ring._check(["a", "b", "c"], dict.fromkeys(keys, "a"))

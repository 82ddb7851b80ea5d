import pytest

from benchmarks.micro import ring


def test_a_case_has_the_loads_and_the_number_of_moves():
    case = ring.measure(3, 30)
    assert (case.fewest, case.most) == (10, 10)
    # A fourth member gets 30 // 4 partitions; the first of eight to leave has 30 // 8 or one more.
    assert case.join_moves == 7
    assert 4 <= case.leave_moves <= 8
    assert "10 … 10" in ring.render([case])


def test_loads_over_the_limit_raise_an_error():
    keys = [(bytes(16), partition) for partition in range(9)]
    with pytest.raises(AssertionError, match="more than 3"):
        ring._check(["a", "b", "c"], dict.fromkeys(keys, "a"))

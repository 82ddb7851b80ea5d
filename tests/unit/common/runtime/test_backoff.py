import pytest

from common.runtime.backoff import Backoff


def delays(backoff: Backoff, count: int) -> list[float]:
    return [backoff.next_s() for _ in range(count)]


def test_delays_double_up_to_the_maximum():
    assert delays(Backoff(0.5, 3.0), 5) == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_reset_makes_the_next_delay_the_first_one():
    backoff = Backoff(0.5, 3.0)
    delays(backoff, 4)
    backoff.reset()
    assert delays(backoff, 2) == [0.5, 1.0]


def test_skipping_makes_all_later_delays_the_longest_one_until_a_reset():
    backoff = Backoff(0.5, 3.0)
    backoff.skip_to_max()
    assert delays(backoff, 2) == [3.0, 3.0]
    backoff.reset()
    assert delays(backoff, 1) == [0.5]


def test_jitter_shortens_a_delay_and_not_the_growth(monkeypatch):
    bounds = []

    def lowest(low: float, high: float) -> float:
        bounds.append((low, high))
        return low

    monkeypatch.setattr("common.runtime.backoff.random.uniform", lowest)
    assert delays(Backoff(1.0, 4.0, jitter=0.25), 3) == [0.75, 1.5, 3.0]
    assert set(bounds) == {(0.75, 1)}


@pytest.mark.parametrize("jitter", [0.0, 0.5])
def test_a_first_delay_of_zero_stays_zero(jitter):
    assert delays(Backoff(0.0, 1.0, jitter=jitter), 3) == [0.0, 0.0, 0.0]

import threading

from common.runtime import gil
from common.runtime.gil import yield_gil, yielding_gil


def test_all_items_pass_and_the_gil_is_yielded_before_every_1024th(monkeypatch):
    pauses = []
    monkeypatch.setattr(gil, "yield_gil", lambda: pauses.append(1))
    assert list(yielding_gil(range(1023))) == list(range(1023))
    assert not pauses
    assert list(yielding_gil(range(5000))) == list(range(5000))
    assert len(pauses) == 4


def test_another_thread_runs_while_the_gil_is_yielded():
    ran = threading.Event()
    thread = threading.Thread(target=ran.set)
    thread.start()
    while not ran.is_set():
        yield_gil()
    thread.join()

import threading

from common.runtime import thread_pauses as module
from common.runtime.thread_pauses import pause, pausing


def test_all_items_pass_with_a_pause_now_and_then(monkeypatch):
    pauses = []
    monkeypatch.setattr(module, "pause", lambda: pauses.append(1))
    assert list(pausing(range(1023))) == list(range(1023))
    assert not pauses
    assert list(pausing(range(5000))) == list(range(5000))
    assert len(pauses) == 4


def test_another_thread_runs_during_pauses():
    ran = threading.Event()
    thread = threading.Thread(target=ran.set)
    thread.start()
    while not ran.is_set():
        pause()
    thread.join()

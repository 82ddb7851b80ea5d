from common.runtime.observers import Observers


def test_callbacks_are_called_in_their_order_at_every_notification():
    calls, observers = [], Observers()
    observers.notify()
    observers.subscribe(lambda: calls.append("first"))
    observers.subscribe(lambda: calls.append("second"))
    observers.notify()
    observers.notify()
    assert calls == ["first", "second"] * 2

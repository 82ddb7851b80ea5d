"""A list of callbacks that are called together when something has changed."""

from collections.abc import Callable


class Observers:
    """Callbacks without arguments, called in the order in which they subscribed.

    They connect objects that are created later to those that notify them.
    """

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Has `callback` called at every later `notify`."""
        self._callbacks.append(callback)

    def notify(self) -> None:
        """Calls every callback. An exception of one is raised, and later ones are not called."""
        for callback in self._callbacks:
            callback()

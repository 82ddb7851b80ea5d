import asyncio

from partition_svc.log.stray_logs import StrayLogs
from partition_svc.store.keys import LogHead, log_key

KEYS = [log_key(bytes([number]) * 16, number) for number in range(3)]


class Store:
    def __init__(self):
        self.keys = list(KEYS)
        self.reader = self

    def heads(self):
        return [(key, LogHead(size_bytes=5)) for key in self.keys]


class Registry:
    def __init__(self, stray):
        self.stray = set(stray)

    def is_stray(self, key):
        return key in self.stray


def test_stray_logs_without_a_delay_are_reported_once_and_never_due(caplog):
    async def test():
        registry = Registry(KEYS[:2])
        strays = StrayLogs(registry, Store(), delay_ms=-1)
        for _ in range(3):
            assert strays.due() == []
            assert strays.next_time is None
        assert caplog.text.count("2 stray logs (10 bytes)") == 1
        registry.stray.add(KEYS[2])
        strays.due()
        assert "3 stray logs (15 bytes)" in caplog.text

    asyncio.run(test())


def test_a_log_is_due_when_it_was_stray_for_the_whole_delay(monkeypatch):
    async def test():
        loop, now = asyncio.get_running_loop(), 1_000.0
        registry = Registry(KEYS[:1])
        strays = StrayLogs(registry, Store(), delay_ms=10_000)
        monkeypatch.setattr(loop, "time", lambda: now)
        assert strays.due() == []
        assert strays.next_time == 1_010
        now = 1_005.0
        registry.stray.add(KEYS[1])
        assert strays.due() == []
        now = 1_010.0
        assert strays.due() == KEYS[:1]
        # A log that has its owner again is not due.
        registry.stray.clear()
        now = 1_100.0
        assert strays.due() == []
        assert strays.next_time is None

    asyncio.run(test())

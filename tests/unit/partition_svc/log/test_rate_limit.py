import asyncio

from partition_svc.log.rate_limit import NO_LIMIT, RateLimit


def test_reserve_returns_pauses_that_keep_the_rate():
    limit = RateLimit(1000)
    pauses = [limit.reserve(500, now_s=100.0) for _ in range(4)]
    # The limit allows a small burst before the first pause.
    assert [round(pause, 2) for pause in pauses] == [0.0, 0.45, 0.95, 1.45]


def test_unused_time_does_not_accumulate():
    limit = RateLimit(1000)
    limit.reserve(500, now_s=100.0)
    assert limit.reserve(10_000, now_s=200.0) == 0.0
    assert round(limit.reserve(1, now_s=200.0), 2) == 9.95


def test_no_limit_never_pauses():
    assert NO_LIMIT.reserve(1 << 40, now_s=1.0) == 0.0
    assert NO_LIMIT.reserve(1 << 40, now_s=1.0) == 0.0


def test_acquire_waits_when_the_rate_is_exceeded():
    async def test():
        loop = asyncio.get_running_loop()
        limit = RateLimit(100_000)
        began = loop.time()
        for _ in range(3):
            await limit.acquire(10_000)
        return loop.time() - began

    assert asyncio.run(test()) >= 0.1

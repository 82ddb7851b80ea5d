import asyncio

from partition_svc.coordinator.timers import Deadlines


def run(test):
    async def within_limits():
        loop = asyncio.get_running_loop()
        start = loop.time()
        due = []
        deadlines = Deadlines(lambda: int((loop.time() - start) * 1000), due.append)
        async with asyncio.timeout(60):
            await test(deadlines, due)

    asyncio.run(within_limits())


async def until(holds):
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


def test_groups_are_called_in_the_order_of_their_deadlines():
    async def test(deadlines, due):
        for group_id, deadline_ms in (("c", 30), ("a", 10), ("b", 20)):
            deadlines.note(group_id, deadline_ms)
        await until(lambda: len(due) == 3)
        assert due == ["a", "b", "c"]

    run(test)


def test_a_group_is_called_once_however_often_it_says_when():
    async def test(deadlines, due):
        for deadline_ms in (50, 20, 80, 20, 30):
            deadlines.note("a", deadline_ms)
        deadlines.note("last", 120)
        await until(lambda: "last" in due)
        assert due == ["a", "last"]

    run(test)


def test_who_does_not_want_to_be_called_is_not():
    async def test(deadlines, due):
        deadlines.note("a", 10)
        deadlines.note("a", None)
        deadlines.note("b", 20)
        await until(lambda: "b" in due)
        assert due == ["b"]
        deadlines.note("a", 30)
        await until(lambda: "a" in due)

    run(test)


def test_nobody_is_called_after_the_end():
    async def test(deadlines, due):
        deadlines.note("a", 0)
        deadlines.close()
        await asyncio.sleep(0.02)
        assert not due

    run(test)

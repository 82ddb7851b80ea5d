import asyncio

from partition_svc.rpc.fetch_budget import SharedRoom


def run(test):
    async def within_limits():
        async with asyncio.timeout(60):
            await test(SharedRoom(100))

    asyncio.run(within_limits())


async def turns(count=10):
    for _ in range(count):
        await asyncio.sleep(0)


def test_fetches_share_what_is_left():
    async def test(shared):
        one, other = shared.open(), shared.open()
        one.take(30)
        assert (other.left, other.is_short) == (70, False)
        one.take(30)
        assert (other.left, other.is_short) == (40, True)
        one.give(60)
        assert other.left == 100

    run(test)


def test_a_fetch_gives_back_no_more_than_it_took_and_all_at_its_end():
    async def test(shared):
        one, other = shared.open(), shared.open()
        other.take(10)
        one.take(30)
        one.give(99)
        assert shared.used == 10
        one.take(5)
        one.close()
        one.close()
        assert shared.used == 10

    run(test)


def test_who_waits_is_woken_in_order_as_far_as_there_is_room():
    async def test(shared):
        holder, woken = shared.open(), []
        holder.take(150)

        async def wait(number):
            room = shared.open()
            await room.until_some()
            woken.append(number)
            room.take(60)

        waiting = [asyncio.create_task(wait(number)) for number in range(5)]
        await turns()
        holder.give(40)
        await turns()
        assert woken == []
        holder.close()
        await turns()
        # Of 100 bytes the first takes 60 and the second exceeds what is left.
        assert woken == [0, 1]
        for task in waiting:
            task.cancel()

    run(test)


def test_one_that_is_woken_and_takes_nothing_wakes_the_next_with_its_end():
    async def test(shared):
        holder = shared.open()
        holder.take(100)
        first, second = shared.open(), shared.open()
        waiting = [asyncio.create_task(one.until_some()) for one in (first, second)]
        await turns()
        holder.close()
        await turns()
        assert waiting[0].done()
        first.close()
        await waiting[1]

    run(test)


def test_one_that_leaves_when_its_turn_has_come_lets_the_next_have_it():
    async def test(shared):
        holder = shared.open()
        holder.take(100)
        waiting = [asyncio.create_task(shared.open().until_some()) for _ in range(3)]
        await turns()
        waiting[0].cancel()
        holder.close()
        waiting[1].cancel()
        await waiting[2]

    run(test)

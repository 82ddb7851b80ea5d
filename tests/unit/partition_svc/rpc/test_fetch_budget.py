import asyncio

from partition_svc.rpc.fetch_budget import SharedFetchBudget


def run(scenario):
    async def within_limits():
        async with asyncio.timeout(60):
            await scenario(SharedFetchBudget(100))

    asyncio.run(within_limits())


async def loop_iterations(count=10):
    for _ in range(count):
        await asyncio.sleep(0)


def test_fetches_share_the_remaining_bytes():
    async def scenario(shared):
        fetch, other = shared.open(), shared.open()
        fetch.acquire(30)
        assert (other.remaining, other.is_low) == (70, False)
        fetch.acquire(30)
        assert (other.remaining, other.is_low) == (40, True)
        fetch.release(60)
        assert other.remaining == 100

    run(scenario)


def test_fetch_releases_no_more_than_it_acquired_and_all_when_closed():
    async def scenario(shared):
        fetch, other = shared.open(), shared.open()
        other.acquire(10)
        fetch.acquire(30)
        fetch.release(99)
        assert shared.used == 10
        fetch.acquire(5)
        fetch.close()
        fetch.close()
        assert shared.used == 10

    run(scenario)


def test_waiters_are_woken_in_order_while_bytes_remain():
    async def scenario(shared):
        holder, woken = shared.open(), []
        holder.acquire(150)

        async def wait(number):
            share = shared.open()
            await share.wait_until_available()
            woken.append(number)
            share.acquire(60)

        waiting = [asyncio.create_task(wait(number)) for number in range(5)]
        await loop_iterations()
        holder.release(40)
        await loop_iterations()
        assert woken == []
        holder.close()
        await loop_iterations()
        # Of 100 bytes the first acquires 60, and the second exceeds the rest.
        assert woken == [0, 1]
        for task in waiting:
            task.cancel()

    run(scenario)


def test_waiter_that_acquires_nothing_wakes_the_next_when_closed():
    async def scenario(shared):
        holder = shared.open()
        holder.acquire(100)
        first, second = shared.open(), shared.open()
        waiting = [asyncio.create_task(share.wait_until_available()) for share in (first, second)]
        await loop_iterations()
        holder.close()
        await loop_iterations()
        assert waiting[0].done()
        first.close()
        await waiting[1]

    run(scenario)


def test_waiter_cancelled_after_it_was_woken_wakes_the_next():
    async def scenario(shared):
        holder = shared.open()
        holder.acquire(100)
        waiting = [asyncio.create_task(shared.open().wait_until_available()) for _ in range(3)]
        await loop_iterations()
        waiting[0].cancel()
        holder.close()
        waiting[1].cancel()
        await waiting[2]

    run(scenario)

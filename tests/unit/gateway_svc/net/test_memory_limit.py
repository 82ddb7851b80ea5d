from gateway_svc.net.memory_limit import RequestMemory


class FakeConnection:
    """Calls `may_grow` when it is notified, and stores the result."""

    def __init__(self, memory: RequestMemory) -> None:
        self.memory = memory
        self.may_grow = True

    def request_growth(self) -> bool:
        self.may_grow = self.memory.may_grow(self)
        return self.may_grow

    memory_freed = request_growth


def exhausted() -> RequestMemory:
    memory = RequestMemory(1000)
    memory.acquire(1000)
    return memory


def test_all_connections_may_grow_while_there_is_room():
    memory = RequestMemory(1000)
    memory.acquire(999)
    assert all(FakeConnection(memory).request_growth() for _ in range(3))


def test_only_the_overcommit_holder_may_grow_at_the_bound():
    memory = exhausted()
    holder, second, third = (FakeConnection(memory) for _ in range(3))
    assert [
        holder.request_growth(),
        second.request_growth(),
        third.request_growth(),
        holder.request_growth(),
    ] == [True, False, False, True]
    assert [memory.holds_overcommit(connection) for connection in (holder, second)] == [True, False]


def test_release_notifies_as_many_waiters_as_there_is_room_for():
    memory = RequestMemory(1000, receive_bytes=100)
    memory.acquire(1000)
    connections = [FakeConnection(memory) for _ in range(5)]
    for connection in connections:
        connection.request_growth()
    holder, *others = connections
    assert holder.may_grow
    memory.release(201)
    assert [other.may_grow for other in others] == [True, True, True, False]


def test_release_counts_what_notified_waiters_acquire_at_once():
    memory = RequestMemory(1000)
    memory.acquire(1000)

    class Acquirer(FakeConnection):
        def memory_freed(self) -> None:
            if self.request_growth():
                memory.acquire(150)

    acquirers = [Acquirer(memory) for _ in range(4)]
    for acquirer in acquirers:
        acquirer.request_growth()
    memory.release(200)
    assert [acquirer.may_grow for acquirer in acquirers] == [True, True, True, False]


def test_overcommit_passes_to_the_longest_waiter():
    memory = exhausted()
    holder, second, third = (FakeConnection(memory) for _ in range(3))
    for connection in (holder, second, third):
        connection.request_growth()
    memory.withdraw(holder)
    assert (second.may_grow, third.may_grow) == (True, False)
    memory.withdraw(second)
    assert third.may_grow


def test_withdrawn_waiter_is_not_notified():
    memory = exhausted()
    holder, withdrawn, third = (FakeConnection(memory) for _ in range(3))
    for connection in (holder, withdrawn, third):
        connection.request_growth()
    memory.withdraw(withdrawn)
    memory.withdraw(holder)
    assert (withdrawn.may_grow, third.may_grow) == (False, True)


def test_released_bytes_can_be_acquired_again():
    memory = exhausted()
    memory.release(1000)
    assert memory.used == 0
    assert FakeConnection(memory).request_growth()

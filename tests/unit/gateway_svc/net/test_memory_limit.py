from gateway_svc.net.memory_limit import RequestMemory


class Connection:
    """Asks for room whenever it is told that there may be some."""

    def __init__(self, memory: RequestMemory) -> None:
        self.memory = memory
        self.may_grow = True

    def ask(self) -> bool:
        self.may_grow = self.memory.may_grow(self)
        return self.may_grow

    memory_freed = ask


def exhausted() -> RequestMemory:
    memory = RequestMemory(1000)
    memory.take(1000)
    return memory


def test_everybody_may_grow_while_there_is_room():
    memory = RequestMemory(1000)
    memory.take(999)
    assert all(Connection(memory).ask() for _ in range(3))


def test_where_room_ran_out_only_the_first_to_ask_goes_on():
    memory = exhausted()
    senior, second, third = (Connection(memory) for _ in range(3))
    assert [senior.ask(), second.ask(), third.ask(), senior.ask()] == [True, False, False, True]


def test_freed_memory_wakes_as_many_as_it_has_room_for():
    memory = RequestMemory(1000, receive_bytes=100)
    memory.take(1000)
    connections = [Connection(memory) for _ in range(5)]
    for connection in connections:
        connection.ask()
    senior, *others = connections
    assert senior.may_grow
    memory.give(201)
    assert [one.may_grow for one in others] == [True, True, True, False]


def test_what_the_woken_take_at_once_is_room_no_more():
    memory = RequestMemory(1000)
    memory.take(1000)

    class Taker(Connection):
        def memory_freed(self) -> None:
            if self.ask():
                memory.take(150)

    takers = [Taker(memory) for _ in range(4)]
    for one in takers:
        one.ask()
    memory.give(200)
    assert [one.may_grow for one in takers] == [True, True, True, False]


def test_the_next_in_line_becomes_senior_when_the_senior_is_done():
    memory = exhausted()
    senior, second, third = (Connection(memory) for _ in range(3))
    for connection in (senior, second, third):
        connection.ask()
    memory.forget(senior)
    assert (second.may_grow, third.may_grow) == (True, False)
    memory.forget(second)
    assert third.may_grow


def test_one_that_left_is_not_woken():
    memory = exhausted()
    senior, gone, third = (Connection(memory) for _ in range(3))
    for connection in (senior, gone, third):
        connection.ask()
    memory.forget(gone)
    memory.forget(senior)
    assert (gone.may_grow, third.may_grow) == (False, True)


def test_what_is_given_back_can_be_used_again():
    memory = exhausted()
    memory.give(1000)
    assert memory.used == 0
    assert Connection(memory).ask()

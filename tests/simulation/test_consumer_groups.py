"""The state machine of consumer groups under random members, topics, lost responses and crashes.

Members of the classic protocol join and leave too, so that groups are upgraded and downgraded in
the middle of other changes.

A failing run is repeated with its seed: `SEED=17 make test TESTS=tests/simulation`.
"""

import os
import random

import pytest

from tests.support.clients.classic_readers import COOPERATIVE, EAGER, ClassicReader, run
from tests.support.groups.consumer_groups import Reader, SimulatedConsumerGroup

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(100)
STEPS = 300
READERS_MAX = 6


class Simulation:
    """Random steps of the clients of one group.

    `mixed`: some clients use the classic protocol. `goal`: the protocol to which clients migrate.
    """

    def __init__(self, seed, *, mixed):
        self.rng = random.Random(seed)
        self.mixed = mixed
        self.goal = Reader
        self.strategies = self.rng.choice([(EAGER,), (COOPERATIVE,), (COOPERATIVE, EAGER)])
        self.sizes = {"a": 5, "b": 3}
        self.simulated = SimulatedConsumerGroup(**self.sizes)
        self.readers = []
        self.created = 0
        self.interrupted = 0
        self.seen = set()

    def step(self):
        steps = [self.heartbeat] * 12 + [self.join] * 2
        steps += [self.leave, self.kill, self.lose_response, self.repeat_heartbeat]
        steps += [self.crash, self.grow_topics, self.interrupt, self.join_again]
        steps += [self.change_subscription, self.return_static_member, self.pass_time]
        if self.mixed:
            steps += [self.join_classic] * 2 + [self.migrate] * 3
            self.goal = self.rng.choice((Reader, ClassicReader, *[self.goal] * 60))
        self.rng.choice(steps)()
        self.check()

    def check(self):
        owned = [partition for reader in self.readers for partition in reader.owned]
        assert len(owned) == len(set(owned)), "two clients read one partition"
        assigned = [
            (topic.topic_id, partition)
            for member in self.simulated.members.values()
            for topic in member.assignment
            for partition in topic.partitions
        ]
        assert len(assigned) == len(set(assigned)), "two members have one partition"

    def pick_reader(self):
        return self.rng.choice(self.readers) if self.readers else self.join()

    def heartbeat(self, reader=None):
        reader = reader or self.pick_reader()
        if isinstance(reader, ClassicReader):
            reader.act()
            return
        response = reader.beat()
        self.seen.add(response.refusal.name if response.refusal else None)
        if response.refusal is not None and reader in self.readers:
            # Like a real client, it revokes everything and stops; its session will expire.
            self.readers.remove(reader)

    def join(self):
        self.created += 1
        names, regex = self.rng.choice([(["a"], None), (["a", "b"], None), ([], "a|b"), ([], "b")])
        assignor = self.rng.choice([None, None, "range", "uniform"])
        reader = Reader(self.simulated, f"m{self.created}", names, regex, assignor=assignor)
        if self.rng.random() < 0.3:
            reader.instance_id = f"i{self.created}"
        if len(self.readers) < READERS_MAX:
            self.readers.append(reader)
            self.heartbeat(reader)
        return reader

    def join_classic(self):
        self.created += 1
        names = self.rng.choice([["a"], ["a", "b"], ["b"]])
        instance_id = f"i{self.created}" if self.rng.random() < 0.3 else None
        reader = ClassicReader(self.simulated, names, self.strategies, instance_id=instance_id)
        if len(self.readers) < READERS_MAX:
            self.readers.append(reader)
            self.heartbeat(reader)

    def migrate(self):
        """Restarts a client with the protocol of `goal`; a static member keeps its instance id."""
        reader = next(
            (reader for reader in self.readers if not isinstance(reader, self.goal)), None
        )
        if reader is None:
            return
        self.readers.remove(reader)
        self.created += 1
        instance_id = reader.instance_id
        if isinstance(reader, ClassicReader):
            if instance_id is None:
                reader.leave()
            other = Reader(self.simulated, f"m{self.created}", instance_id=instance_id)
        else:
            reader.leave(-1 if instance_id is None else -2)
            other = ClassicReader(self.simulated, ["a"], self.strategies, instance_id=instance_id)
        self.readers.append(other)
        self.heartbeat(other)

    def leave(self):
        reader = self.pick_reader()
        if reader in self.readers:
            self.readers.remove(reader)
            reader.leave()

    def kill(self):
        """Stops a client silently: its session expires, while the others continue."""
        reader = self.pick_reader()
        if reader in self.readers:
            self.readers.remove(reader)

    def lose_response(self):
        """Loses a response, so that the client repeats its request."""
        reader = self.pick_reader()
        if isinstance(reader, ClassicReader):
            self.reconnect_classic(reader)
            return
        self.simulated.beat(reader.request())
        self.heartbeat(reader)

    def reconnect_classic(self, reader):
        """Breaks the connection of a client, which then joins again."""
        reader.act()
        reader.break_off()
        reader.act()

    def crash(self):
        """Crashes the coordinator, half of the time before the records of a call are written."""
        reader = self.pick_reader()
        if self.rng.random() < 0.5:
            self.call_without_writing(reader)
        self.simulated.crash()

    def call_without_writing(self, reader):
        group, now_ms = self.simulated.group, self.simulated.now_ms
        if isinstance(reader, ClassicReader):
            return group.join(reader.begin_join(), "t", now_ms, "n")
        return group.consumer_heartbeat(reader.request(), "t", now_ms, "n")

    def repeat_heartbeat(self):
        reader = self.pick_reader()
        if isinstance(reader, ClassicReader):
            return
        request = reader.request()
        self.simulated.beat(request)
        response = self.simulated.beat(request)
        if response.refusal is None:
            reader.take(response)

    def join_again(self):
        """Revokes everything and joins again under its member id (KAFKA-19233)."""
        reader = self.pick_reader()
        if isinstance(reader, Reader) and reader in self.readers:
            reader.epoch, reader.owned = 0, frozenset()
            assert reader.beat().refusal is None

    def interrupt(self):
        """Raises in the middle of a call, like a bug or a record that cannot be written."""
        reader = self.pick_reader()
        self.interrupted += self.simulated.interrupt(
            lambda: self.call_without_writing(reader), self.rng.randrange(200)
        )

    def grow_topics(self):
        self.sizes[self.rng.choice("ab")] += self.rng.choice([0, 1, 1])
        self.simulated.set_topics(**self.sizes)

    def change_subscription(self):
        reader = self.pick_reader()
        if isinstance(reader, ClassicReader):
            reader.names, reader.wants_join = self.rng.choice([["b"], ["a", "b"], ["a"]]), True
            return
        reader.names, reader.regex = self.rng.choice([(["b"], ""), (["a", "b"], ""), ([], "a")])

    def return_static_member(self):
        reader = self.pick_reader()
        if isinstance(reader, ClassicReader):
            return
        if reader.instance_id is not None and reader in self.readers:
            reader.leave(-2)
            self.created += 1
            reader.member_id, reader.epoch = f"m{self.created}", 0
            self.heartbeat(reader)

    def pass_time(self):
        for reader in list(self.readers):
            self.heartbeat(reader)
        self.simulated.sleep(self.rng.choice([1, 5_000, 9_000]))

    def settle(self):
        """Lets stopped members expire; then checks that every partition has one reader."""
        for _ in range(10):
            for reader in list(self.readers):
                self.heartbeat(reader)
            self.simulated.sleep(9_000)
        if self.rng.random() < 0.5 or not self.readers:
            self.join()
        run(*self.readers)
        assert self.simulated.group.as_listed_group().state == "Stable"
        partitions_read = {partition for reader in self.readers for partition in reader.partitions}
        subscribed = {
            name
            for reader in self.readers
            for name in "ab"
            if name in reader.names or name in (getattr(reader, "regex", None) or "").split("|")
        }
        assert partitions_read == {
            (name, partition) for name in subscribed for partition in range(self.sizes[name])
        }


@pytest.mark.parametrize("mixed", [False, True], ids=["consumer", "mixed"])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_partition_has_two_readers_and_finally_all_are_read(seed, mixed):
    simulation = Simulation(seed, mixed=mixed)
    try:
        for _ in range(STEPS):
            simulation.step()
        simulation.settle()
    except Exception as error:
        error.add_note(f"repeat with SEED={seed}")
        raise


def test_random_steps_migrate_both_ways_and_interrupt_calls():
    changes = interrupted = 0
    for seed in range(10):
        simulation = Simulation(seed, mixed=True)
        before = None
        for _ in range(STEPS):
            simulation.step()
            listed = simulation.simulated.group.as_listed_group()
            if listed.state != "Empty":
                changes += before not in (None, listed.group_type)
                before = listed.group_type
        interrupted += simulation.interrupted
    assert changes > 20
    assert interrupted > 20

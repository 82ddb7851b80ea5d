"""The state machine of consumer groups under random members, lost answers, topics and crashes.

A failing run is repeated with its seed: `SEED=17 make test TESTS=tests/simulation`.
"""

import os
import random

import pytest

from tests.support.consumer_groups import ConsumerGroupWorld, Reader, settle

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(100)
STEPS = 300
READERS_MAX = 6


class Simulation:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.sizes = {"a": 5, "b": 3}
        self.world = ConsumerGroupWorld(**self.sizes)
        self.readers = []
        self.made = 0
        self.seen = set()

    def step(self):
        acts = [self.beat] * 12 + [self.join] * 2
        acts += [self.leave, self.kill, self.lose, self.repeat, self.crash, self.grow]
        acts += [self.change, self.go_and_return, self.wait]
        self.dice.choice(acts)()
        self.check()

    def check(self):
        held = [part for one in self.readers for part in one.owned]
        assert len(held) == len(set(held)), "two clients read one partition"
        holds = [
            (given.topic_id, partition)
            for member in self.world.members.values()
            for given in member.assignment
            for partition in given.partitions
        ]
        assert len(holds) == len(set(holds)), "two members have one partition"

    def some(self):
        return self.dice.choice(self.readers) if self.readers else self.join()

    def beat(self, reader=None):
        reader = reader or self.some()
        taken = reader.beat()
        self.seen.add(taken.refusal.name if taken.refusal else None)
        if taken.refusal is not None and reader in self.readers:
            # As clients do: it gives everything up. Its session ends in time.
            self.readers.remove(reader)

    def join(self):
        self.made += 1
        names, regex = self.dice.choice([(["a"], None), (["a", "b"], None), ([], "a|b"), ([], "b")])
        assignor = self.dice.choice([None, None, "range", "uniform"])
        reader = Reader(self.world, f"m{self.made}", names, regex, assignor=assignor)
        if self.dice.random() < 0.3:
            reader.instance_id = f"i{self.made}"
        if len(self.readers) < READERS_MAX:
            self.readers.append(reader)
            self.beat(reader)
        return reader

    def leave(self):
        reader = self.some()
        if reader in self.readers:
            self.readers.remove(reader)
            reader.leave()

    def kill(self):
        """It is not heard of again: its session ends in time, while the others go on."""
        reader = self.some()
        if reader in self.readers:
            self.readers.remove(reader)

    def lose(self):
        """The answer is lost, and the client asks again."""
        reader = self.some()
        self.world.beat(reader.request())
        self.beat(reader)

    def crash(self):
        """Half of the time while something is being written: nobody knows of that."""
        reader = self.some()
        if self.dice.random() < 0.5:
            self.world.group.consumer_heartbeat(
                reader.request(), self.world.view, "t", self.world.now_ms, "n"
            )
        self.world.crash()

    def repeat(self):
        reader = self.some()
        request = reader.request()
        self.world.beat(request)
        taken = self.world.beat(request)
        if taken.refusal is None:
            reader.take(taken)

    def grow(self):
        self.sizes[self.dice.choice("ab")] += self.dice.choice([0, 1, 1])
        self.world.set_topics(**self.sizes)

    def change(self):
        reader = self.some()
        reader.names, reader.regex = self.dice.choice([(["b"], ""), (["a", "b"], ""), ([], "a")])

    def go_and_return(self):
        reader = self.some()
        if reader.instance_id is not None and reader in self.readers:
            reader.leave(-2)
            self.made += 1
            reader.member_id, reader.epoch = f"m{self.made}", 0
            self.beat(reader)

    def wait(self):
        for reader in list(self.readers):
            self.beat(reader)
        self.world.sleep(self.dice.choice([1, 5_000, 9_000]))

    def settle(self):
        """Whoever is gone is put out; then everything has one reader."""
        for _ in range(10):
            for reader in list(self.readers):
                self.beat(reader)
            self.world.sleep(9_000)
        self.join()
        settle(*self.readers)
        assert self.world.state == "Stable"
        read = {part for one in self.readers for part in one.partitions}
        wanted = {
            name
            for one in self.readers
            for name in "ab"
            if name in one.names or name in (one.regex or "").split("|")
        }
        assert read == {(name, part) for name in wanted for part in range(self.sizes[name])}


@pytest.mark.parametrize("seed", SEEDS)
def test_no_partition_has_two_readers_whatever_happens_and_in_the_end_all_are_read(seed):
    simulation = Simulation(seed)
    try:
        for _ in range(STEPS):
            simulation.step()
        simulation.settle()
    except Exception as error:
        error.add_note(f"repeat with SEED={seed}")
        raise

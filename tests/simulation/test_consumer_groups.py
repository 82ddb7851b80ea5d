"""The state machine of consumer groups under random members, lost answers, topics and crashes.

Members of the classic protocol come and go as well, so that groups change from one kind to the
other and back in the middle of other work.

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
    """`mixed`: with clients of the classic protocol. `goal`: what they are becoming, one by one."""

    def __init__(self, seed, *, mixed):
        self.rng = random.Random(seed)
        self.mixed = mixed
        self.goal = Reader
        self.strategies = self.rng.choice([(EAGER,), (COOPERATIVE,), (COOPERATIVE, EAGER)])
        self.sizes = {"a": 5, "b": 3}
        self.simulated = SimulatedConsumerGroup(**self.sizes)
        self.readers = []
        self.made = 0
        self.interrupted = 0
        self.seen = set()

    def step(self):
        acts = [self.beat] * 12 + [self.join] * 2
        acts += [self.leave, self.kill, self.lose, self.repeat, self.crash, self.grow]
        acts += [self.interrupt, self.join_again]
        acts += [self.change, self.go_and_return, self.wait]
        if self.mixed:
            acts += [self.join_classic] * 2 + [self.migrate] * 3
            self.goal = self.rng.choice((Reader, ClassicReader, *[self.goal] * 60))
        self.rng.choice(acts)()
        self.check()

    def check(self):
        held = [part for reader in self.readers for part in reader.owned]
        assert len(held) == len(set(held)), "two clients read one partition"
        holds = [
            (given.topic_id, partition)
            for member in self.simulated.members.values()
            for given in member.assignment
            for partition in given.partitions
        ]
        assert len(holds) == len(set(holds)), "two members have one partition"

    def some(self):
        return self.rng.choice(self.readers) if self.readers else self.join()

    def beat(self, reader=None):
        reader = reader or self.some()
        if isinstance(reader, ClassicReader):
            reader.act()
            return
        taken = reader.beat()
        self.seen.add(taken.refusal.name if taken.refusal else None)
        if taken.refusal is not None and reader in self.readers:
            # As clients do: it gives everything up. Its session ends in time.
            self.readers.remove(reader)

    def join(self):
        self.made += 1
        names, regex = self.rng.choice([(["a"], None), (["a", "b"], None), ([], "a|b"), ([], "b")])
        assignor = self.rng.choice([None, None, "range", "uniform"])
        reader = Reader(self.simulated, f"m{self.made}", names, regex, assignor=assignor)
        if self.rng.random() < 0.3:
            reader.instance_id = f"i{self.made}"
        if len(self.readers) < READERS_MAX:
            self.readers.append(reader)
            self.beat(reader)
        return reader

    def join_classic(self):
        self.made += 1
        names = self.rng.choice([["a"], ["a", "b"], ["b"]])
        instance_id = f"i{self.made}" if self.rng.random() < 0.3 else None
        reader = ClassicReader(self.simulated, names, self.strategies, instance_id=instance_id)
        if len(self.readers) < READERS_MAX:
            self.readers.append(reader)
            self.beat(reader)

    def migrate(self):
        """One stops, and comes again with the other protocol; a static one as who it was."""
        reader = next((one for one in self.readers if not isinstance(one, self.goal)), None)
        if reader is None:
            return
        self.readers.remove(reader)
        self.made += 1
        instance_id = reader.instance_id
        if isinstance(reader, ClassicReader):
            if instance_id is None:
                reader.leave()
            other = Reader(self.simulated, f"m{self.made}", instance_id=instance_id)
        else:
            reader.leave(-1 if instance_id is None else -2)
            other = ClassicReader(self.simulated, ["a"], self.strategies, instance_id=instance_id)
        self.readers.append(other)
        self.beat(other)

    def leave(self):
        reader = self.some()
        if reader in self.readers:
            self.readers.remove(reader)
            reader.leave()

    def kill(self):
        """Stops it silently: its session expires, while the others continue."""
        reader = self.some()
        if reader in self.readers:
            self.readers.remove(reader)

    def lose(self):
        """The answer is lost, and the client asks again."""
        reader = self.some()
        if isinstance(reader, ClassicReader):
            self.lose_classic(reader)
            return
        self.simulated.beat(reader.request())
        self.beat(reader)

    def lose_classic(self, reader):
        """Drops its last request; it then joins again, as after a broken connection."""
        reader.act()
        reader.break_off()
        reader.act()

    def crash(self):
        """Crashes, half of the time during a write that no client sees."""
        reader = self.some()
        if self.rng.random() < 0.5:
            self.unwritten(reader)
        self.simulated.crash()

    def unwritten(self, reader):
        group, now_ms = self.simulated.group, self.simulated.now_ms
        if isinstance(reader, ClassicReader):
            return group.join(reader.begin_join(), "t", now_ms, "n")
        return group.consumer_heartbeat(reader.request(), "t", now_ms, "n")

    def repeat(self):
        reader = self.some()
        if isinstance(reader, ClassicReader):
            return
        request = reader.request()
        self.simulated.beat(request)
        taken = self.simulated.beat(request)
        if taken.refusal is None:
            reader.take(taken)

    def join_again(self):
        """Revokes everything and joins again under its member id (KAFKA-19233)."""
        reader = self.some()
        if isinstance(reader, Reader) and reader in self.readers:
            reader.epoch, reader.owned = 0, frozenset()
            assert reader.beat().refusal is None

    def interrupt(self):
        """A bug, or a record that cannot be written: the call raises somewhere in the middle."""
        reader = self.some()
        self.interrupted += self.simulated.interrupt(
            lambda: self.unwritten(reader), self.rng.randrange(200)
        )

    def grow(self):
        self.sizes[self.rng.choice("ab")] += self.rng.choice([0, 1, 1])
        self.simulated.set_topics(**self.sizes)

    def change(self):
        reader = self.some()
        if isinstance(reader, ClassicReader):
            reader.names, reader.wants_join = self.rng.choice([["b"], ["a", "b"], ["a"]]), True
            return
        reader.names, reader.regex = self.rng.choice([(["b"], ""), (["a", "b"], ""), ([], "a")])

    def go_and_return(self):
        reader = self.some()
        if isinstance(reader, ClassicReader):
            return
        if reader.instance_id is not None and reader in self.readers:
            reader.leave(-2)
            self.made += 1
            reader.member_id, reader.epoch = f"m{self.made}", 0
            self.beat(reader)

    def wait(self):
        for reader in list(self.readers):
            self.beat(reader)
        self.simulated.sleep(self.rng.choice([1, 5_000, 9_000]))

    def settle(self):
        """Whoever is gone is put out; then everything has one reader."""
        for _ in range(10):
            for reader in list(self.readers):
                self.beat(reader)
            self.simulated.sleep(9_000)
        if self.rng.random() < 0.5 or not self.readers:
            self.join()
        run(*self.readers)
        assert self.simulated.group.listed().state == "Stable"
        read = {part for one in self.readers for part in one.partitions}
        wanted = {
            name
            for one in self.readers
            for name in "ab"
            if name in one.names or name in (getattr(one, "regex", None) or "").split("|")
        }
        assert read == {(name, part) for name in wanted for part in range(self.sizes[name])}


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
            listed = simulation.simulated.group.listed()
            if listed.state != "Empty":
                changes += before not in (None, listed.group_type)
                before = listed.group_type
        interrupted += simulation.interrupted
    assert changes > 20
    assert interrupted > 20

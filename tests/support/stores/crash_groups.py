"""Groups of random changes for crash tests, and a model of the store that has some of them.

A group is a function of its seed, its number and the open generation, so the process that writes it
and the test that checks it need not exchange it. Each group changes a row that counts groups; it
may put, delete, and delete ranges in all three column families.
"""

import hashlib
from collections.abc import Iterator
from random import Random
from typing import Final

from partition_svc.store.atomic_write import DELETE, PUT, AtomicWrite
from partition_svc.store.keys import COMPACTED_BIT, GENERATION_BYTES, pack_u32, pack_u64
from partition_svc.store.log_store import LogStore

#: Kind of the rows of state; the store has none of this kind.
_KIND: Final = b"x"
_COUNT_KEY: Final = _KIND + b"count"
_KEYS: Final = 24
_SIZES: Final = [0, 10, 100, 700, 5_000, 30_000, 200_000]
#: Generations back from the open one: deletions reach so far, and later all that is older goes.
_NEAR: Final = 3
_OLD: Final = range(8, 12)

Rows = dict[bytes, bytes]


def group(seed: int, number: int, generation: int) -> AtomicWrite:
    """Group `number`; numbers begin with 1."""
    rng = Random(f"{seed} {number} {generation}")
    write = AtomicWrite()
    write.put(_COUNT_KEY, pack_u64(number))
    for _ in range(rng.choice([0, 1, 2, 5])):
        _change_state(write, rng)
    for bit in (0, COMPACTED_BIT):
        for _ in range(rng.choice([0, 1, 2, 5])):
            _change_batches(write, rng, generation, bit)
        if rng.random() < 0.3:
            for old in (generation - back for back in _OLD if generation >= back):
                write.delete_batches(*_range(pack_u32(old | bit), rng))
    return write


def _change_state(write: AtomicWrite, rng: Random) -> None:
    kind = rng.random()
    if kind < 0.6:
        write.put(_key(_KIND, rng), _value(rng))
    elif kind < 0.8:
        write.delete(_key(_KIND, rng))
    else:
        write.delete_rows(*_range(_KIND, rng))


def _change_batches(write: AtomicWrite, rng: Random, generation: int, bit: int) -> None:
    kind = rng.random()
    near = pack_u32(max(0, generation - rng.randint(0, _NEAR)) | bit)
    if kind < 0.7:
        write.put_batch(_key(pack_u32(generation | bit), rng), _value(rng))
    elif kind < 0.85:
        write.delete_batch(_key(near, rng))
    else:
        write.delete_batches(*_range(near, rng))


def _key(prefix: bytes, rng: Random) -> bytes:
    return prefix + bytes([rng.randrange(_KEYS)])


def _range(prefix: bytes, rng: Random) -> tuple[bytes, bytes]:
    first = rng.randrange(_KEYS)
    return prefix + bytes([first]), prefix + bytes([rng.randint(first, _KEYS)])


def _value(rng: Random) -> bytes:
    weights = [1, 20, 20, 20, 4, 1, 0.3]
    return rng.randbytes(rng.choices(_SIZES, weights)[0])


class Model:
    """The rows after each group of the last ones, as `rows_of` reads them."""

    def __init__(self) -> None:
        self._states: dict[int, list[Rows]] = {0: [{}, {}, {}]}

    def apply(self, number: int, write: AtomicWrite) -> None:
        """Applies group `number` after the one before; a group of that number is forgotten."""
        rows = [dict(family) for family in self._states[number - 1]]
        for family, kind, parts in write.changes:
            _apply(rows[family], kind, parts)
        self._states[number] = rows

    def digest(self, number: int) -> str:
        """Digest of the store that has the groups up to `number`."""
        return digest(self._states[number])

    def forget_before(self, number: int) -> None:
        self._states = {key: rows for key, rows in self._states.items() if key >= number}


def _apply(rows: Rows, kind: int, parts: list[bytes]) -> None:
    if kind == PUT:
        rows.update(zip(parts[::2], parts[1::2], strict=True))
    elif kind == DELETE:
        for key in parts:
            rows.pop(key, None)
    else:
        for start, end in zip(parts[::2], parts[1::2], strict=True):
            for key in [key for key in rows if start <= key < end]:
                del rows[key]


def rows_of(store: LogStore) -> list[Rows]:
    """The rows of groups in each family, without those of the store itself."""
    database = store._database
    families = [dict(_all(family)) for family in (database.state, *database.batch_families)]
    state = {key: row for key, row in families[0].items() if key.startswith(_KIND)}
    # Markers have the generation only.
    batches = [
        {key: row for key, row in rows.items() if len(key) > GENERATION_BYTES}
        for rows in families[1:]
    ]
    return [state, *batches]


def _all(family) -> Iterator[tuple[bytes, bytes]]:
    iterator = family.iter()
    iterator.seek_to_first()
    while iterator.valid():
        yield iterator.key(), iterator.value()
        iterator.next()
    iterator.status()


def last_group(rows: list[Rows]) -> int:
    return int.from_bytes(rows[0].get(_COUNT_KEY, b""), "big")


def digest(rows: list[Rows]) -> str:
    found = hashlib.sha1(usedforsecurity=False)
    for family in rows:
        for key in sorted(family):
            row = family[key]
            found.update(b"%d %d " % (len(key), len(row)) + key + row)
        found.update(b"|")
    return found.hexdigest()

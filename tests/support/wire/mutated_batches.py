"""Batches with a valid CRC whose header and records contradict each other, from a random seed.

Nothing here comes from the code under test. A broker may accept or refuse any of them, but must
continue to work.
"""

import random
import struct
from collections.abc import Sequence

from tests.support.wire.batches import (
    CODECS,
    COMPRESS,
    pack_record,
    record_batch,
    varint,
    with_valid_crc,
)
from tests.support.wire.records import Record

#: Position and layout of the numbers of the header.
_FIELDS = (
    (0, ">q"), (8, ">i"), (12, ">i"), (16, ">b"), (21, ">h"), (23, ">i"), (27, ">q"), (35, ">q"),
    (43, ">q"), (51, ">h"), (53, ">i"), (57, ">i"),
)  # fmt: skip
_BITS = {">b": 8, ">h": 16, ">i": 32, ">q": 64}
#: Edge cases of arithmetic: around zero, and the limits of 7, 32, 62 and 64 bits.
_NUMBERS = (
    -(1 << 63), -(1 << 62), -(1 << 31), -65, -64, -2, -1, 0, 1, 2, 63, 64, 127, 128, 1000, 8191,
    1 << 20, (1 << 31) - 1, 1 << 31, 1 << 62, (1 << 63) - 1,
)  # fmt: skip


class MutatedBatches:
    """Generates batches with times around `now_ms`."""

    def __init__(self, seed: int, now_ms: int) -> None:
        self._rng = random.Random(seed)
        self._now_ms = now_ms

    def next(self) -> bytes:
        rng = self._rng
        codec = rng.choice(tuple(CODECS))
        base_ms = self._time()
        if rng.random() < 0.01:
            batch = self._many_records(codec, base_ms)
        else:
            count = rng.choice((1, 1, 2, 3, 10, 40))
            body = b"".join(self._record(index, base_ms) for index in range(count))
            batch = self._batch(codec, base_ms, self._edit(body), count)
        return self._with_changed_header(batch)

    def _batch(self, codec: str, base_ms: int, body: bytes, count: int) -> bytes:
        rng = self._rng
        # Mostly compressed with `codec`, sometimes with another.
        other = codec if rng.random() < 0.9 else rng.choice(tuple(CODECS))
        payload = bytes(COMPRESS[other](body))
        if rng.random() < 0.1:
            payload = self._edit(payload)
        producer = (-1, -1, -1)
        if rng.random() < 0.3:
            producer = (rng.randrange(1 << 40), 0, rng.choice((0, 0, 5, (1 << 31) - 1)))
        attributes = rng.choice((0, 0, 0, 0, 0x08, 0x10, 0x20, 0x40))
        return record_batch(
            [],
            codec=codec,
            payload=payload,
            count=count,
            last_offset_delta=count - 1,
            producer=producer,
            attributes=attributes,
            base_timestamp_ms=base_ms,
        )

    def _record(self, index: int, base_ms: int) -> bytes:
        rng = self._rng
        if rng.random() < 0.7:
            key = rng.choice((b"k", b"k%d" % rng.randrange(9), None))
            value = rng.choice((None, b"", rng.randbytes(rng.randrange(90))))
            headers = rng.choice(((), (("h", b"v"),), (("h", None), ("", b""))))
            record = Record(value, key, headers=headers, timestamp_ms=self._near(base_ms))
            return pack_record(record, offset_delta=index, base_timestamp_ms=base_ms)
        parts = [b"\0", self._number(0), self._number(index)]
        for content in (b"k", rng.randbytes(rng.randrange(20))):
            parts += (self._number(len(content)), content)
        parts += (self._number(0), rng.randbytes(rng.choice((0, 0, 0, 5))))
        body = b"".join(parts)
        return self._number(len(body)) + body

    def _number(self, correct: int) -> bytes:
        """Returns a varint, which is mostly the correct one."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.8:
            return varint(correct)
        if chance < 0.9:
            return varint(rng.choice(_NUMBERS))
        return rng.choice((b"\xff" * 9 + b"\x7f", b"\x80" * 12, b"\x80\0", varint(correct + 1)))

    def _many_records(self, codec: str, base_ms: int) -> bytes:
        """Returns up to 100,000 records, or copies of one, which compress to some hundred bytes."""
        rng = self._rng
        count = rng.choice((999, 1001, 5000, 20_000, 100_000))
        if rng.random() < 0.5:
            body = pack_record(Record(None, b""), offset_delta=0, base_timestamp_ms=0) * count
        else:
            body = b"".join(
                pack_record(Record(None, b""), offset_delta=index, base_timestamp_ms=0)
                for index in range(count)
            )
        return self._batch(codec, base_ms, body, count)

    def _edit(self, data: bytes) -> bytes:
        """Returns `data` unchanged, or with some bytes changed, removed, duplicated or added."""
        rng = self._rng
        edited = bytearray(data)
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 5))):
            if not edited:
                break
            at = rng.randrange(len(edited))
            kind = rng.randrange(5)
            if kind == 0:
                edited[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                edited[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            elif kind == 2:
                del edited[at : at + rng.randrange(1, 9)]
            elif kind == 3:
                edited[at:at] = edited[at : at + rng.randrange(1, 9)]
            else:
                edited[at:at] = rng.randbytes(rng.randrange(1, 9))
        return bytes(edited)

    def _with_changed_header(self, batch: bytes) -> bytes:
        rng = self._rng
        changed = bytearray(batch)
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            at, layout = rng.choice(_FIELDS)
            bits = _BITS[layout]
            (value,) = struct.unpack_from(layout, changed, at)
            number = rng.choice((value - 1, value + 1, rng.choice(_NUMBERS), self._time()))
            low = -(1 << bits - 1)
            struct.pack_into(layout, changed, at, (number - low) % (1 << bits) + low)
        mutated = bytes(changed)
        # One in fifty keeps the invalid CRC.
        return mutated if rng.random() < 0.02 else with_valid_crc(mutated)

    def _time(self) -> int:
        rng = self._rng
        if rng.random() < 0.7:
            return self._near(self._now_ms)
        return rng.choice((*_NUMBERS, self._now_ms + 10**9, 0))

    def _near(self, time_ms: int) -> int:
        moved = time_ms + self._rng.randrange(-1000, 1000)
        return min(max(moved, -(1 << 63)), (1 << 63) - 1)


def produce_frame(
    version: int, correlation_id: int, topic: str, batch: bytes, *, acks: int = -1
) -> bytes:
    """A Produce request of version 0 to 12 for partition 0, packed by hand."""
    name = topic.encode()
    head = struct.pack(">hhih", 0, version, correlation_id, 4) + b"fuzz"
    settings = struct.pack(">hi", acks, 30_000)
    if version >= 9:
        # Flexible: compact lengths, and empty tagged fields at the end of each structure.
        parts = [head, b"\0", b"\0", settings, _compact(2), _compact(len(name) + 1), name]
        parts += [_compact(2), bytes(4), _compact(len(batch) + 1), batch, b"\0\0\0"]
        return b"".join(parts)
    transactional_id = struct.pack(">h", -1) if version >= 3 else b""
    topic_head = struct.pack(">ih", 1, len(name)) + name + struct.pack(">iii", 1, 0, len(batch))
    return b"".join((head, transactional_id, settings, topic_head, batch))


def fetch_frame(correlation_id: int, topic: str, offset: int, *, version: int) -> bytes:
    """A Fetch request of version 1 (returns messages) or 4 that does not wait."""
    name = topic.encode()
    head = struct.pack(">hhih", 1, version, correlation_id, 4) + b"fuzz"
    more = struct.pack(">ib", 1 << 20, 0) if version == 4 else b""
    topics = struct.pack(">ih", 1, len(name)) + name + struct.pack(">iiqi", 1, 0, offset, 1 << 18)
    return head + struct.pack(">iii", -1, 0, 0) + more + topics


def list_offsets_frame(correlation_id: int, topic: str, timestamp: int) -> bytes:
    """A ListOffsets request of version 1."""
    name = topic.encode()
    head = struct.pack(">hhih", 2, 1, correlation_id, 4) + b"fuzz"
    topics = struct.pack(">ih", 1, len(name)) + name + struct.pack(">iiq", 1, 0, timestamp)
    return head + struct.pack(">i", -1) + topics


def flipped(frame: bytes, rng: random.Random, positions: Sequence[int]) -> bytes:
    """Returns `frame` with up to three bytes among `positions` changed."""
    changed = bytearray(frame)
    for _ in range(rng.randrange(1, 4)):
        at = rng.choice(positions)
        if at < len(changed):
            changed[at] = rng.choice((changed[at] ^ 1 << rng.randrange(8), 0, 255))
    return bytes(changed)


def _compact(count: int) -> bytes:
    packed = bytearray()
    while count > 0x7F:
        packed.append(count & 0x7F | 0x80)
        count >>= 7
    return bytes([*packed, count])

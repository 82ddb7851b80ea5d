import asyncio

import pytest

from common.records.errors import CorruptRecords, UnsupportedRecords
from gateway_svc.dispatch.conversions import Conversions
from gateway_svc.handlers.fetch.records import records_for
from tests.support.wire.batches import record_batch
from tests.support.wire.message_sets import unpack_message_set
from tests.support.wire.records import numbered

PLAIN = record_batch(numbered(2))
LATER = record_batch(numbered(2), base_offset=2)
ZSTD = record_batch(numbered(1), codec="zstd", base_offset=4)


async def _read(version, chunks, fetch_offset):
    return await records_for(version, chunks, fetch_offset=fetch_offset, conversions=Conversions())


def read(version: int, *chunks: bytes, fetch_offset: int = 0):
    return asyncio.run(_read(version, list(chunks), fetch_offset))


def test_records_for_returns_the_same_chunks_to_current_versions():
    chunks = [PLAIN, ZSTD]
    assert asyncio.run(_read(10, chunks, 0)) is chunks


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((PLAIN, LATER), PLAIN + LATER),
        ((PLAIN + LATER,), PLAIN + LATER),
        ((PLAIN + ZSTD, LATER), PLAIN),
        ((PLAIN, ZSTD + LATER), PLAIN),
    ],
    ids=["no zstd", "no zstd in one chunk", "zstd within a chunk", "zstd in a later chunk"],
)
def test_records_for_returns_batches_before_zstd_to_versions_4_to_9(chunks, expected):
    assert b"".join(read(9, *chunks)) == expected


@pytest.mark.parametrize("version", [0, 2, 4, 9])
def test_records_for_rejects_a_first_zstd_batch_before_version_10(version):
    with pytest.raises(UnsupportedRecords):
        read(version, ZSTD)


def test_records_for_omits_messages_before_the_requested_offset():
    messages = unpack_message_set(b"".join(read(1, PLAIN + LATER, fetch_offset=1)))
    assert [message.offset for message in messages] == [1, 2, 3]


def test_records_for_rejects_garbage_that_it_must_convert():
    with pytest.raises(CorruptRecords):
        read(0, record_batch(numbered(1), payload=b"garbage"))


@pytest.mark.parametrize("version", [0, 2, 4, 10])
def test_records_for_returns_no_records_in_every_version(version):
    assert read(version) == []

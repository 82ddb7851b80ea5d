from pathlib import Path

import pytest

from common.disk.synced_mark import Mark
from partition_svc.store.journal.inspection import FileReport, JournalReport
from partition_svc.store.journal.journal_file import FileHeader
from partition_svc.store.journal.reading import JournalEnd
from ringlog.cli.store.as_text import dropped_text, report_text, verdict

FIRST, SECOND = Path("00000007.journal"), Path("00000008.journal")
FILES = [
    FileReport(FIRST, 8192, FileHeader(2, 101), 140),
    FileReport(SECOND, 4096, FileHeader(2, 141), 150),
]
SOUND = JournalReport(FILES, JournalEnd(150, SECOND, 900), 12, (140, 138, 0), 149)
DAMAGED = SOUND._replace(end=JournalEnd(120, FIRST, 500, 77, 141))


def test_report_shows_files_ends_and_verdict():
    assert report_text(Path("/d/partition"), SOUND, Mark(149, was_closed=False)) == (
        "/d/partition\n"
        "FILE              EPOCH  FIRST  LAST  BYTES\n"
        "00000007.journal  2      101    140   8192\n"
        "00000008.journal  2      141    150   4096\n"
        "end: change 150, at position 900 of 00000008.journal\n"
        "synced: up to change 149, not closed by the last process\n"
        "in RocksDB's files: state up to change 140, batches up to change 138, "
        "compacted up to change 0\n"
        "sound: 12 changes would be replayed\n"
    )


def test_file_without_groups_and_unreadable_files_are_shown():
    files = [
        FileReport(FIRST, 8192, None, None),
        FileReport(SECOND, 4096, FileHeader(2, 151), 150),
    ]
    text = report_text(Path("d"), SOUND._replace(files=files), None)
    assert "00000007.journal  ?      ?      ?     8192" in text
    assert "00000008.journal  2      151    -     4096" in text
    assert "synced: unknown" in text


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (SOUND._replace(missing=1), "sound: 1 change would be replayed"),
        (
            SOUND._replace(end=JournalEnd(150, SECOND, 900, 33)),
            "the end is torn: 33 bytes that were never synced would be dropped; "
            "12 changes would be replayed",
        ),
        (DAMAGED, "DAMAGED at 00000007.journal position 500: changes 121 to 149 are missing"),
        (
            SOUND._replace(files=[], end=JournalEnd(140)),
            "DAMAGED at the end: there is no file: changes 141 to 149 are missing",
        ),
        (JournalReport([], JournalEnd(0), 0, (0, 0, 0), 99), "sound: it has no journal yet"),
    ],
    ids=["sound", "torn", "damaged", "no files", "no journal"],
)
def test_verdict_says_what_a_start_would_do(report, text):
    assert verdict(report) == text


def test_truncation_shows_what_it_drops_and_what_rocksdb_has():
    assert dropped_text(DAMAGED, [FIRST, SECOND]) == (
        "DAMAGED at 00000007.journal position 500: changes 121 to 149 are missing\n"
        "00000007.journal: everything from position 500 on is dropped\n"
        "00000008.journal: is dropped\n"
        "RocksDB has a part of the changes up to 140, which stays\n"
    )

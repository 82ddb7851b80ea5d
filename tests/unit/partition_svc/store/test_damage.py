from partition_svc.store.damage import Damage
from partition_svc.store.keys import BATCHES, COMPACTED_BATCHES, COMPACTED_BIT

ERROR = (
    "Corruption: block checksum mismatch: stored(context removed) = 3362486176, "
    "computed = 723241262, type = 4  in /data/{}.sst offset 600650 size 120125"
)


def file(number, first, last):
    keys = [generation.to_bytes(4, "big") + b"." * 28 for generation in (first, last)]
    return {"name": f"/{number:06}.sst", "start_key": keys[0], "end_key": keys[1]}


def state_file(number):
    return {"name": f"/{number:06}.sst", "start_key": b"C", "end_key": b"V"}


def test_only_errors_of_checksums_name_damaged_files(caplog):
    damage = Damage()
    damage.note("IO error: No space left on device in /data/000013.sst", by_compaction=True)
    damage.note("Corruption: no file is named", by_compaction=True)
    assert not damage.files
    for _ in range(2):
        damage.note(ERROR.format("000013"), by_compaction=False)
    assert damage.files == {"000013.sst"}
    assert caplog.text.count("the file 000013.sst is damaged") == 1


def test_families_are_those_of_damaged_files_that_a_compaction_read():
    damage = Damage()
    live = [file(13, 1, 1), file(14, COMPACTED_BIT, COMPACTED_BIT + 3), state_file(15)]
    damage.note(ERROR.format("000013"), by_compaction=False)
    damage.find_families(live)
    assert damage.families == set()
    for number, families in (
        (13, {BATCHES}),
        (14, {BATCHES, COMPACTED_BATCHES}),
        (15, {BATCHES, COMPACTED_BATCHES, "default"}),
    ):
        damage.note(ERROR.format(f"{number:06}"), by_compaction=True)
        damage.find_families(live)
        assert damage.families == families


def test_files_that_overlap_a_damaged_file_are_not_rewritten_either():
    damage = Damage()
    damage.note(ERROR.format("000013"), by_compaction=False)
    # File 20 has tombstones over three generations; file 11, in one of them, also covers the next.
    live = [file(13, 2, 2), file(20, 1, 3), file(11, 3, 4), file(16, 5, 5), file(10, 0, 0)]
    generations = {number for run in damage.generations(live) for number in run}
    assert generations == {1, 2, 3, 4}


def test_damaged_files_that_were_removed_or_hold_state_concern_no_generation():
    damage = Damage()
    damage.note(ERROR.format("000013"), by_compaction=True)
    assert damage.generations([state_file(13), file(14, 1, 1)]) == []

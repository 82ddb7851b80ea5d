import pytest

from partition_svc.store.database import Database
from partition_svc.store.failures import StorageFailed
from partition_svc.store.identity import count_opening, read_identity, was_opened_as
from partition_svc.store.journal.journal import Journal
from partition_svc.store.keys import VOLUME_STATE
from partition_svc.store.log_store import LogStore
from partition_svc.store.opening import DatabaseOpener
from partition_svc.store.stored_volume import StoredVolume
from tests.support.stores.log_stores import opened


def test_a_directory_keeps_its_volume_id_and_counts_openings(tmp_path):
    identities = []
    for _ in range(3):
        with opened(tmp_path) as store:
            identities.append(store.identity)
    assert [identity.incarnation for identity in identities] == [1, 2, 3]
    assert len({identity.volume_id for identity in identities}) == 1
    assert len({identity.opening_id for identity in identities}) == 3
    with opened(tmp_path / "another") as store:
        assert store.identity.volume_id != identities[0].volume_id


def test_opening_that_only_the_journal_has_counted_is_accepted(tmp_path, monkeypatch):
    with opened(tmp_path) as store:
        before = store.identity
    monkeypatch.setattr(Database, "write", fail)
    monkeypatch.setattr(Journal, "take_back", fail)
    store = LogStore(tmp_path)
    monkeypatch.undo()
    assert store.identity[:2] == before[:2]
    for _ in range(2):
        store.recover()
        assert store.is_writable
    store.close()
    with opened(tmp_path) as store:
        assert store.identity.incarnation == before.incarnation + 2


def fail(*_):
    raise OSError("no space")


@pytest.fixture
def database(tmp_path):
    """A database that no opening was counted of."""
    opening = DatabaseOpener(tmp_path, flush_bytes=1 << 20, with_statistics=False)
    database = opening.first()
    yield database
    database.close()
    opening.close()


def test_an_opening_is_durable_before_its_identity_is_returned(database, monkeypatch):
    calls = []
    for name in ("write", "sync"):
        monkeypatch.setattr(database, name, lambda *_, name=name: calls.append(name))
    assert count_opening(database, 0).incarnation == 1
    assert calls == ["write", "sync"]


def test_a_read_only_process_keeps_the_identity_of_the_last_opening(tmp_path, monkeypatch):
    with opened(tmp_path) as store:
        before = store.identity

    def fail(*_):
        raise StorageFailed("no space")

    monkeypatch.setattr("partition_svc.store.identity.count_opening", fail)
    store = LogStore(tmp_path)
    assert store.identity[:2] == before[:2]
    store.close()


def test_a_directory_without_a_counted_opening_has_incarnation_zero(tmp_path):
    assert read_identity(Database(tmp_path)).incarnation == 0


@pytest.mark.parametrize("broken", ["write", "sync"])
def test_a_failed_write_raises(database, monkeypatch, broken):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(database, broken, fail)
    with pytest.raises(StorageFailed):
        count_opening(database, 0)


def test_was_opened_as_is_true_only_for_the_last_counted_opening(database):
    rocks = database.database
    assert was_opened_as(rocks, read_identity(rocks))  # never counted
    first = count_opening(database, 0)
    assert was_opened_as(rocks, first)
    second = count_opening(database, 0)
    assert was_opened_as(rocks, second)
    assert not was_opened_as(rocks, first)
    assert not was_opened_as(rocks, second._replace(volume_id="another"))
    assert was_opened_as(rocks, first._replace(is_uncertain=True))
    another = first._replace(volume_id="another", is_uncertain=True)
    assert not was_opened_as(rocks, another)


def test_a_directory_of_a_release_without_tokens_gets_one_and_an_unknown_end(tmp_path):
    with opened(tmp_path) as store:
        before = store.identity
        write = store.new_write()
        write.delete(VOLUME_STATE)
        store.write(write, 0)
    with opened(tmp_path) as store:
        volume = StoredVolume.unpack(store.reader.row(VOLUME_STATE))
        assert store.identity[:2] == (before.volume_id, before.incarnation + 1)
        assert len(volume.tokens) == 1
        # Such a release does not record how it ended, so the machine may have gone down.
        assert volume.may_lack_records
    with opened(tmp_path / "new") as store:
        assert not StoredVolume.unpack(store.reader.row(VOLUME_STATE)).may_lack_records

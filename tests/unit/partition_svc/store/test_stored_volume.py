import pytest

from partition_svc.store import stored_volume
from partition_svc.store.stored_volume import TOKENS_MAX, StoredVolume, current_boot_id


def test_unpack_restores_a_packed_volume():
    volume = StoredVolume(("a", "b"), 2**40, 2**31 - 1, 2**40, True, "boot", False)
    assert StoredVolume.unpack(volume.pack()) == volume


def test_each_opening_adds_a_token_until_one_is_recorded():
    volume = StoredVolume()
    for number in range(1, 4):
        volume = volume.opened("boot")
        assert len(set(volume.tokens)) == number
    assert volume.recorded(volume.tokens[1]).tokens == volume.tokens[1:]
    assert volume.recorded("another") == volume


def test_tokens_of_unregistered_openings_are_bounded():
    volume = StoredVolume()
    for _ in range(TOKENS_MAX + 5):
        before, volume = volume, volume.opened("boot")
    assert len(volume.tokens) == TOKENS_MAX
    # The token that may be registered stays.
    assert volume.tokens == before.tokens


@pytest.mark.parametrize(
    ("is_closed", "boot_before", "boot_now", "may_lack"),
    [
        (True, "1", "1", False),
        (True, "1", "2", False),
        (False, "1", "1", False),  # killed: the operating system has all writes
        (False, "1", "2", True),  # the machine went down
        (False, "", "", True),  # unknown
    ],
)
def test_records_may_be_missing_after_the_machine_went_down(
    is_closed, boot_before, boot_now, may_lack
):
    volume = StoredVolume(boot_id=boot_before, is_closed=is_closed).opened(boot_now)
    assert volume.may_lack_records is may_lack
    assert not volume.is_closed
    # Kept until a registration settles it, also if the process is restarted before that.
    assert volume.opened(boot_now).may_lack_records is may_lack or not boot_now


def test_the_boot_id_is_the_one_of_the_operating_system(monkeypatch, tmp_path):
    assert current_boot_id() == current_boot_id() != ""
    monkeypatch.setattr(stored_volume, "_BOOT_ID", tmp_path / "missing")
    assert current_boot_id() == ""

import pytest

from partition_svc.store.failures import StorageFailed, storage_failures


def test_exceptions_of_rocksdict_become_storage_failed():
    with (
        pytest.raises(StorageFailed, match="write: IO error") as failure,
        storage_failures("write"),
    ):
        raise Exception("IO error")
    assert str(failure.value.__cause__) == "IO error"


def test_storage_failed_keeps_its_message_when_raised_inside():
    with pytest.raises(StorageFailed, match=r"^inner$"), storage_failures("outer"):
        raise StorageFailed("inner")


def test_keyboard_interrupt_does_not_become_storage_failed():
    with pytest.raises(KeyboardInterrupt), storage_failures("write"):
        raise KeyboardInterrupt

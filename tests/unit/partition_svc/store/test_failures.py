import pytest

from partition_svc.store.failures import StorageFailed, storage_failures


def test_exceptions_of_rocksdict_become_storage_failed():
    with pytest.raises(StorageFailed, match="write: IO error") as caught, storage_failures("write"):
        raise Exception("IO error")
    assert str(caught.value.__cause__) == "IO error"


def test_a_failure_that_has_its_name_keeps_it():
    with pytest.raises(StorageFailed, match=r"^inner$"), storage_failures("outer"):
        raise StorageFailed("inner")


def test_ending_a_process_is_no_failure_of_the_store():
    with pytest.raises(KeyboardInterrupt), storage_failures("write"):
        raise KeyboardInterrupt

import pytest

from tests.contracts.kv_store_contract import KvStoreContract
from tests.support.stores.memory_store import MemoryKvStore


class TestMemoryKvStore(KvStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryKvStore()

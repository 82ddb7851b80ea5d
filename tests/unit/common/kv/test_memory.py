import pytest

from common.kv.memory import MemoryKvStore
from tests.contracts.kv_store_contract import KvStoreContract


class TestMemoryKvStore(KvStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryKvStore()

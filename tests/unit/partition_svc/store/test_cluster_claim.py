import pytest

from partition_svc.store.cluster_claim import claim
from partition_svc.store.failures import WrongCluster
from tests.support.stores.log_stores import opened


def test_the_first_cluster_owns_the_data_permanently(tmp_path):
    with opened(tmp_path) as store:
        claim(store, "mine")
    with opened(tmp_path) as store:
        claim(store, "mine")
        with pytest.raises(WrongCluster, match="cluster mine, not of other"):
            claim(store, "other")

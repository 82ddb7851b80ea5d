"""The verdict of the load in the network, on the listener INTERNAL; collected last."""

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_clients_in_the_network_lost_no_record_in_all_tests(cluster, inside):
    verdict = inside.verdict()
    assert not verdict["problems"]
    assert verdict["acknowledged"] > 0

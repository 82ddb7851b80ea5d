"""The load within the network, on the listener INTERNAL, from its first record to its last."""

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_clients_within_the_network_lost_nothing_in_all_of_this(cluster, inside):
    verdict = inside.verdict()
    assert not verdict["problems"]
    assert verdict["acknowledged"] > 0

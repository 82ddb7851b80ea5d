import pytest

from gateway_svc.cluster.client_rack import client_rack


@pytest.mark.parametrize(
    ("client_id", "rack"),
    [
        (None, None),
        ("", None),
        ("app", None),
        ("rack=a", "a"),
        ("app,rack=eu-1a", "eu-1a"),
        ("app;rack=a;x=y", "a"),
        (" rack = a ", "a"),
        ("app,rack=", None),
        ("track=a", None),
        ("rack", None),
        ("rack=a=b", "a=b"),
    ],
)
def test_client_rack_reads_the_part_of_the_client_id(client_id, rack):
    assert client_rack(client_id) == rack
